"""The largest coordinates of each chunk of a vector, and their places as bytes."""

import math
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from fedbytes.arrays import Floats, Indices, Int32s
from fedbytes.compression.codecs.chunked_topk.subset_ranking import (
    rank_bits,
    rank_sets,
    unrank_sets,
)
from fedbytes.compression.coding.bit_packing import pack_bits, packed_bytes, unpack_bits
from fedbytes.compression.coding.index_sets import pack_indices, read_indices
from fedbytes.compression.coding.reader import Reader, count_bytes
from fedbytes.compression.numerics.kernels import kernel
from fedbytes.compression.sparsifiers.top_k import largest

_GAPS, _SETS = range(2)
_PIECE = 1 << 18  # coordinates worked on at a time
_MAGNITUDE = np.int32(0x7FFFFFFF)

Mask = npt.NDArray[np.bool_]


class Chunks:
    """A vector of n coordinates in chunks, each with a budget of how many may be kept.

    Args:
        n: coordinates.
        chunk: coordinates a chunk; the last may be shorter.
        budget: how many may be kept in a chunk of a given size.
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
        """Return the ascending indices of each chunk's largest magnitudes, zeros never.

        Ties go to the lower index.
        """
        parts = [_largest_in_rows(x, *run) for run in self._runs]
        return np.concatenate(parts) if parts else np.arange(0)

    def pack(self, kept: Indices) -> bytes:
        """Return the places of `kept`, by the gaps between them or as a set a chunk.

        Sets only where each chunk keeps as many as it may.
        """
        gaps = count_bytes(kept.size) + pack_indices(kept, self.n)
        size = self._sets_bytes()
        if kept.size < self.most or size is None or size >= len(gaps):
            return bytes([_GAPS]) + gaps
        parts, at = [bytes([_SETS])], 0
        for start, number, size, k in self._runs:
            places = kept[at : at + number * k] - start
            at += number * k
            ranks = rank_sets(places.reshape(number, k) % size, size)
            parts.append(pack_bits(ranks, rank_bits(size, k) or 0))
        return b"".join(parts)

    def read(self, reader: Reader) -> Indices:
        """Return the indices that `pack` wrote; ValueError if the bytes cannot be that."""
        known = self._sets_bytes() is not None
        if reader.number("B", "place code", _GAPS, _SETS if known else _GAPS) == _GAPS:
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
                    f"{reader.what} payload: set {ranks.max()} of {size} does not exist"
                )
            starts = start + size * np.arange(number)
            yield (unrank_sets(ranks, size, k) + starts[:, None]).ravel()

    def _sets_bytes(self) -> int | None:
        """Return how many bytes the sets take, or None where they have no numbers."""
        total = 0
        for _, number, size, k in self._runs:
            width = rank_bits(size, k)
            if width is None:
                return None
            total += packed_bytes(number, width)
        return total


def _largest_in_rows(x: Floats, start: int, number: int, size: int, k: int) -> Indices:
    if number == 1:
        return start + largest(x[start : start + size], k)
    rows = x[start : start + number * size].reshape(number, size)
    step = max(1, _PIECE // size)
    parts = []
    for first in range(0, number, step):
        mask = _largest_mask(rows[first : first + step], k)
        parts.append(np.flatnonzero(mask) + (start + first * size))
    return np.concatenate(parts)


def _largest_mask(rows: Floats, k: int) -> Mask:
    """Return where each row's k largest magnitudes are, zeros left out."""
    bits = rows.view(np.int32)  # without the sign they sort like the magnitudes
    if k >= rows.shape[1]:
        return bits & _MAGNITUDE > 0
    mask = np.empty(rows.shape, np.bool_)
    _mark_largest(bits, k, mask)
    return mask


def _mark_largest_numpy(bits: Int32s, k: int, mask: Mask) -> None:
    magnitudes = bits & _MAGNITUDE
    place = bits.shape[1] - k
    edge = np.partition(magnitudes, place, axis=1)[:, place, None]
    np.greater_equal(magnitudes, np.maximum(edge, 1), out=mask)
    over = np.flatnonzero(np.count_nonzero(mask, axis=1) > k)
    if over.size:
        tied = magnitudes[over] == edge[over]
        allowed = k - np.count_nonzero(magnitudes[over] > edge[over], axis=1)
        mask[over] &= ~tied | (np.cumsum(tied, axis=1, dtype=np.int32) <= allowed[:, None])


@kernel(_mark_largest_numpy)
def _mark_largest(bits, k, mask):  # type: ignore[no-untyped-def]
    # The k-th largest by histograms of the distance to the largest, each finer than the last.
    bins = 256 if bits.shape[1] > 256 else 32
    pool, counts = np.empty(bits.shape[1], np.int32), np.empty(bins + 1, np.int64)
    for r in range(bits.shape[0]):
        row, out = bits[r], mask[r]
        top = np.int32(0)
        for i in range(row.size):
            pool[i] = row[i] & np.int32(0x7FFFFFFF)
            top = max(top, pool[i])
        low, high = np.int64(0), np.int64(top)
        held, need, finest = row.size, k, 17 if bins == 256 else 20  # four octaves at first
        while low < high:
            shift = 0
            while shift < finest and (high - low) >> shift >= bins:
                shift += 1
            finest = 31
            counts[:] = 0
            for i in range(held):
                counts[min((high - pool[i]) >> shift, bins)] += 1
            step = 0
            while counts[step] < need:
                need -= counts[step]
                step += 1
            high -= step << shift
            if step < bins:
                low = max(low, high - (1 << shift) + 1)
            kept = 0
            for i in range(held):
                value = pool[i]
                pool[kept] = value
                kept += 1 if low <= value <= high else 0
            held = kept
        edge = max(high, 1)
        for i in range(row.size):
            out[i] = (row[i] & np.int32(0x7FFFFFFF)) >= edge
        last = row.size
        while high > 0 and held > need:  # of equals the first
            last -= 1
            if (row[last] & np.int32(0x7FFFFFFF)) == edge:
                out[last] = False
                held -= 1
