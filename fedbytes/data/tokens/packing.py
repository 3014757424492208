"""Packed rows: documents with end tokens, joined and cut to equal length."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from fedbytes.data.tokens.encoded import EncodedSplit, EncodedTask, Rows
from fedbytes.streams import stream


def pack(task: EncodedTask, parts: Sequence[Rows], seed: int = 0) -> tuple[EncodedTask, list[Rows]]:
    """Return the task with training rows of equal length, and each client's rows.

    No row mixes clients. A client's documents are joined in an order drawn from `seed` and cut into
    rows of exactly `max_length` tokens. The remainder is dropped, unless the client has nothing
    else: then it is one shorter row. Attention crosses the ends of documents, as is usual in
    pre-training.

    Args:
        task: what `encode` or `encode_task` returned. A task that is not `unpacked` is returned
            unchanged, with `parts`.
        parts: training documents of each client.
        seed: the run's seed.
    """
    if not task.unpacked:
        return task, list(parts)
    pieces: list[npt.NDArray[np.int32]] = []
    lengths: list[int] = []
    rows: list[Rows] = []
    for client, documents in enumerate(parts):
        order = stream(seed, "packing", client).permutation(np.asarray(documents, dtype=np.int64))
        tokens = _join(task.train, order)
        found = _cut(len(tokens), task.max_length, whole_only=True)
        pieces.append(tokens[: sum(found)])
        rows.append(np.arange(len(lengths), len(lengths) + len(found), dtype=np.int64))
        lengths += found
    train = _packed(task.train, np.concatenate(pieces), lengths)
    return replace(task, train=train, unpacked=False), rows


def pack_test_split(split: EncodedSplit, max_length: int, text_bytes: int) -> EncodedSplit:
    """Return a split of documents joined in their order; the last row may be shorter.

    Args:
        split: whole documents.
        max_length: tokens per row.
        text_bytes: bytes of the documents' texts (UTF-8).
    """
    tokens = np.asarray(split.tokens)
    lengths = _cut(len(tokens), max_length, whole_only=False)
    return replace(_packed(split, tokens, lengths), text_bytes=text_bytes)


def _join(split: EncodedSplit, documents: Rows) -> npt.NDArray[np.int32]:
    if not len(documents):
        return np.empty(0, dtype=np.int32)
    starts, ends = split.offsets[documents], split.offsets[documents + 1]
    return np.concatenate([split.tokens[a:b] for a, b in zip(starts, ends, strict=True)])


def _cut(tokens: int, max_length: int, whole_only: bool) -> list[int]:
    """Return the lengths of the rows into which a number of tokens is cut."""
    whole, rest = divmod(tokens, max_length)
    keep_rest = rest > 0 and (not whole_only or whole == 0)
    return [max_length] * whole + [rest] * keep_rest


def _packed(split: EncodedSplit, tokens: npt.NDArray[np.int32], lengths: list[int]) -> EncodedSplit:
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    content = hashlib.sha256(tokens.tobytes() + offsets.tobytes()).hexdigest()
    return EncodedSplit(split.name, tokens, offsets, None, {}, f"{content}-{split.name}")
