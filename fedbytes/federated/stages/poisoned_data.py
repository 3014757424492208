"""The training rows of a run after its attackers have poisoned theirs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from fedbytes.data import EncodedSplit, EncodedTask, TokenRow, extend_split, row_of
from fedbytes.federated.plugins.attack import Attack
from fedbytes.federated.plugins.planted_rows import PlantedRows
from fedbytes.federated.stages.attackers import draw_attackers
from fedbytes.streams import stream

_Held = Mapping[int, np.ndarray]


def poison(
    attacks: Sequence[Attack], task: EncodedTask, parts: Sequence[np.ndarray], seed: int
) -> tuple[EncodedTask, PlantedRows]:
    """Return the task with what attackers made of their rows, and who trains on which, when.

    The task's own rows keep their numbers and their bits; what attackers made of theirs comes
    after them. In each round the attacks on data that act in it are applied in their order.

    Args:
        attacks: of the run; those without a stage `poison` change nothing.
        task: its training rows are what clients train on.
        parts: the rows of each client.
        seed: the run's.

    Raises:
        ValueError: if an attack changes test rows, or rows of honest clients.
    """
    first, phases = len(task.train), []
    made: dict[tuple[int, ...], _Held] = {(): {}}
    before: tuple[int, ...] = ()
    for begin in _begins(attacks):
        acting = tuple(place for place, one in enumerate(attacks) if _poisons(one, begin))
        for count, place in enumerate(acting):
            if acting[: count + 1] not in made:
                held = _held(parts, made[acting[:count]])
                task, changed = _apply(attacks[place], place, task, held, seed)
                made[acting[: count + 1]] = {**made[acting[:count]], **changed}
        if acting != before:
            phases.append((begin, made[acting]))
        before = acting
    return task, PlantedRows(first, tuple(phases))


def _begins(attacks: Sequence[Attack]) -> list[int]:
    """Return the rounds in which attacks on data may begin or end."""
    rounds = {1}
    for attack in attacks:
        if "poison" in attack.stages:
            rounds |= {attack.from_round}
            rounds |= set() if attack.until_round is None else {attack.until_round + 1}
    return sorted(rounds)


def _poisons(attack: Attack, round_: int) -> bool:
    return "poison" in attack.stages and attack.active(round_)


def _held(parts: Sequence[np.ndarray], changed: _Held) -> list[np.ndarray]:
    return [changed.get(client, part) for client, part in enumerate(parts)]


def _apply(
    attack: Attack, place: int, task: EncodedTask, parts: list[np.ndarray], seed: int
) -> tuple[EncodedTask, dict[int, np.ndarray]]:
    """Return the task with the rows that an attack made, and what each attacker then holds."""
    hostile = draw_attackers(attack, parts, seed)
    rng = stream(seed, f"attack {place} {attack.name} data")
    made, held = attack.poison(task, [part.copy() for part in parts], hostile, rng)
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
    added: list[TokenRow] = []
    changed = {
        client: _planted(task.train, parts[client], made.train, held[client], added)
        for client in hostile
    }
    return replace(task, train=extend_split(task.train, added)), changed


def _planted(
    old: EncodedSplit, own: np.ndarray, new: EncodedSplit, held: np.ndarray, added: list[TokenRow]
) -> np.ndarray:
    """Return an attacker's rows: those that are as they were by number, others put in `added`."""
    left, rows = set(own.tolist()), np.empty(len(held), dtype=np.int64)
    for place, row in enumerate(held.tolist()):
        if row in left and (new.extends is old or row_of(old, row).same_as(row_of(new, row))):
            left.remove(row)
            rows[place] = row
        else:
            rows[place] = len(old) + len(added)
            added.append(row_of(new, row))
    return rows


def _same(old: EncodedSplit, rows: np.ndarray, new: EncodedSplit, now: np.ndarray) -> bool:
    """Return whether a client's rows are what they were."""
    if not np.array_equal(rows, now):
        return False
    if new is old or new.extends is old:
        return True
    return all(row_of(old, int(row)).same_as(row_of(new, int(row))) for row in rows)
