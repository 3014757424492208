"""The training rows of a run after clients' cleaners have rewritten some of them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from fedbytes.data import EncodedSplit, EncodedTask
from fedbytes.data.tokens.encoded import digest_of
from fedbytes.federated.plugins.cleaner import Cleaner


def rewrite(
    cleaners: Sequence[Cleaner], task: EncodedTask, parts: Sequence[np.ndarray]
) -> EncodedTask:
    """Return the task with the training rows that each client's cleaners make of its own.

    Raises:
        ValueError: if a cleaner rewrites rows of others, or leaves one without tokens.
    """
    for cleaner in cleaners:
        if not cleaner.rewrites:
            continue
        made: dict[int, np.ndarray] = {}
        for client, part in enumerate(parts):
            found = cleaner.rewrite(task, part) if len(part) else {}
            if not np.isin(list(found), part).all() or not all(map(len, found.values())):
                raise ValueError(
                    f"cleaner {cleaner.name!r} rewrites rows that client {client} does not have, "
                    "or leaves one without tokens"
                )
            made |= found
        task = replace(task, train=_with_rows(task.train, made))
    return task


def _with_rows(split: EncodedSplit, made: Mapping[int, np.ndarray]) -> EncodedSplit:
    """Return a split with other tokens in some rows; in the loss all of theirs are."""
    rows = [
        made.get(row, split.tokens[split.offsets[row] : split.offsets[row + 1]])
        for row in range(len(split))
    ]
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    tokens = np.concatenate(rows).astype(np.int32)
    digest = f"{digest_of(tokens, offsets)}-{split.name}"
    return replace(split, tokens=tokens, offsets=offsets, digest=digest, extends=None)
