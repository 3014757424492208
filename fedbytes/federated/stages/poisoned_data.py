"""The training rows of a run after its attackers have poisoned theirs."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fedbytes.data import EncodedSplit, EncodedTask
from fedbytes.federated.plugins.attack import Attack
from fedbytes.federated.stages.attackers import draw_attackers
from fedbytes.streams import stream


def poison(
    attacks: Sequence[Attack], task: EncodedTask, parts: list[np.ndarray], seed: int
) -> tuple[EncodedTask, list[np.ndarray]]:
    """Return the task and who holds which of its rows, as attackers have changed them.

    Args:
        attacks: of the run; those without a stage `poison` change nothing.
        task: its training rows are what clients train on.
        parts: the rows of each client.
        seed: the run's.

    Raises:
        ValueError: if an attack changes test rows, or rows of honest clients.
    """
    for place, attack in enumerate(attacks):
        if "poison" not in attack.stages:
            continue
        hostile = draw_attackers(attack, parts, seed)
        rng = stream(seed, f"attack {place} {attack.name} data")
        made, held = attack.poison(task, list(parts), hostile, rng)
        honest = [client for client in range(len(parts)) if client not in hostile]
        if (
            made.test is not task.test
            or not all(len(held[client]) for client in hostile)
            or not all(_same(task.train, parts[c], made.train, held[c]) for c in honest)
        ):
            raise ValueError(
                f"attack {attack.name!r} may change the training rows of its attackers alone, and "
                "must leave them some: not test rows, nor those of other clients"
            )
        task, parts = replace(made, train=_named(made.train)), held
    return task, parts


def _same(old: EncodedSplit, rows: np.ndarray, new: EncodedSplit, now: np.ndarray) -> bool:
    """Return whether a client's rows are what they were."""
    if not np.array_equal(rows, now):
        return False
    if (old.labels is None) != (new.labels is None):
        return False
    pair = old.labels, new.labels
    if pair[0] is not None and pair[1] is not None and any(pair[0][rows] != pair[1][rows]):
        return False
    return all(
        np.array_equal(_tokens(old, row), _tokens(new, row))
        and np.array_equal(_learned(old, row), _learned(new, row))
        for row in rows
    )


def _tokens(split: EncodedSplit, row: int) -> np.ndarray:
    return split.tokens[split.offsets[row] : split.offsets[row + 1]]


def _learned(split: EncodedSplit, row: int) -> np.ndarray:
    """Return which tokens of a row are in the loss: all of them where the split does not say."""
    if split.learned is None:
        return np.ones(int(split.offsets[row + 1] - split.offsets[row]), bool)
    return split.learned[split.offsets[row] : split.offsets[row + 1]]


def _named(split: EncodedSplit) -> EncodedSplit:
    """Return the split under a digest of its tokens, by which what is computed of them is kept."""
    content = hashlib.sha256(split.tokens.tobytes() + split.offsets.tobytes()).hexdigest()
    return replace(split, digest=f"{content}-{split.name}")
