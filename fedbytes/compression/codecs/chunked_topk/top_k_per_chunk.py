"""The largest coordinates of each chunk of a vector, and their indices as bytes."""

import math
from collections.abc import Callable, Iterator

import numpy as np

from fedbytes.arrays import Floats, Indices
from fedbytes.compression.codecs.chunked_topk.loops import Mask, mark_largest
from fedbytes.compression.codecs.chunked_topk.subset_ranking import (
    rank_bits,
    rank_sets,
    unrank_sets,
)
from fedbytes.compression.coding.bit_packing import pack_bits, packed_bytes, unpack_bits
from fedbytes.compression.coding.index_sets import pack_indices, read_indices
from fedbytes.compression.coding.reader import Reader, pack_count
from fedbytes.compression.sparsifiers.loops import MAGNITUDE
from fedbytes.compression.sparsifiers.top_k import select_top_k

_GAPS, _SETS = range(2)
_BATCH = 1 << 18  # coordinates that are selected from at a time


class Chunks:
    """A vector of n coordinates in chunks, each with a budget of kept coordinates.

    Args:
        n: coordinates.
        chunk: coordinates per chunk; the last may be shorter.
        budget: maps the size of a chunk to the number of coordinates that it may keep.
    """

    def __init__(self, n: int, chunk: int, budget: Callable[[int], int]) -> None:
        self.n = n
        chunk = min(chunk, n) or 1
        whole, rest = divmod(n, chunk)
        runs = ((0, whole, chunk), (whole * chunk, 1, rest))
        self._runs = [(start, number, size, budget(size)) for start, number, size in runs if size]
        self._runs = [run for run in self._runs if run[1]]
        self.most = sum(number * k for _, number, _, k in self._runs)

    def largest(self, x: Floats) -> Indices:
        """Return the ascending indices of each chunk's largest magnitudes, zeros left out.

        Ties go to the lower index.
        """
        parts = [_largest_in_rows(x, *run) for run in self._runs]
        return np.concatenate(parts) if parts else np.arange(0)

    def pack(self, kept: Indices) -> bytes:
        """Return the indices `kept` as gaps, or as one subset number per chunk if that is shorter.

        Subset numbers require that every chunk uses its whole budget.
        """
        gaps = pack_count(kept.size) + pack_indices(kept, self.n)
        size = self._sets_bytes()
        if kept.size < self.most or size is None or size >= len(gaps):
            return bytes([_GAPS]) + gaps
        parts, at = [bytes([_SETS])], 0
        for start, number, size, k in self._runs:
            indices = kept[at : at + number * k] - start
            at += number * k
            ranks = rank_sets(indices.reshape(number, k) % size, size)
            parts.append(pack_bits(ranks, rank_bits(size, k) or 0))
        return b"".join(parts)

    def read(self, reader: Reader) -> Indices:
        """Return the indices that `pack` wrote; raise a ValueError for other bytes."""
        known = self._sets_bytes() is not None
        if reader.number("B", "index code", _GAPS, _SETS if known else _GAPS) == _GAPS:
            return read_indices(reader, reader.count("kept", self.most), self.n)
        parts = list(self._read_sets(reader))
        return np.concatenate(parts) if parts else np.arange(0)

    def _read_sets(self, reader: Reader) -> Iterator[Indices]:
        for start, number, size, k in self._runs:
            width = rank_bits(size, k) or 0
            packed = reader.take(packed_bytes(number, width), "sets")
            ranks = unpack_bits(packed, number, width).astype(np.uint64)
            if int(ranks.max()) >= math.comb(size, k):
                raise ValueError(
                    f"{reader.name} payload: subset number {ranks.max()} is out of range for "
                    f"chunks of {size}"
                )
            starts = start + size * np.arange(number)
            yield (unrank_sets(ranks, size, k) + starts[:, None]).ravel()

    def _sets_bytes(self) -> int | None:
        """Return the bytes of all subset numbers, or None if some do not fit."""
        total = 0
        for _, number, size, k in self._runs:
            width = rank_bits(size, k)
            if width is None:
                return None
            total += packed_bytes(number, width)
        return total


def _largest_in_rows(x: Floats, start: int, number: int, size: int, k: int) -> Indices:
    if number == 1:
        return start + select_top_k(x[start : start + size], k)
    rows = x[start : start + number * size].reshape(number, size)
    step = max(1, _BATCH // size)
    parts = []
    for first in range(0, number, step):
        mask = _largest_mask(rows[first : first + step], k)
        parts.append(np.flatnonzero(mask) + (start + first * size))
    return np.concatenate(parts)


def _largest_mask(rows: Floats, k: int) -> Mask:
    """Return a mask of each row's k largest magnitudes, zeros left out."""
    bits = rows.view(np.int32)  # without the sign, patterns sort like magnitudes
    if k >= rows.shape[1]:
        return bits & MAGNITUDE > 0
    mask = np.empty(rows.shape, np.bool_)
    mark_largest(bits, k, mask)
    return mask
