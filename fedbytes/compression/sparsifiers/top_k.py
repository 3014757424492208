"""Which coordinates are largest."""

from typing import Any

import numpy as np
import numpy.typing as npt

from fedbytes.arrays import Floats, Indices, Int32s, Int64s
from fedbytes.compression.coding.index_sets import index_type
from fedbytes.compression.numerics.kernels import kernel

_MAGNITUDE = np.int32(0x7FFFFFFF)
_SHIFT = 20  # bins of an eighth of an octave
_BINS = 1 << (31 - _SHIFT)
_CHUNK = 1 << 16


def largest(x: Floats, k: int) -> Indices:
    """Return the ascending indices of the k coordinates of largest magnitude.

    Ties go to the lower index; zeros are left out, so there may be fewer than k. One pass counts
    magnitudes by their leading bits, a second collects those that may be among the k largest.
    """
    patterns = x.view(np.int32)  # without the sign they sort like the magnitudes
    if k >= x.size:
        return _collected(patterns, 1, int(np.count_nonzero(x)))
    counts = np.zeros((4, _BINS), np.int64)
    _count(patterns, counts)
    above = np.cumsum(counts.sum(axis=0)[::-1])[::-1]
    place = int(np.flatnonzero(above >= k)[-1])  # the bin of the k-th largest
    near = _collected(patterns, max(place << _SHIFT, 1), int(above[place]))
    over = near.size - k
    if over <= 0:
        return near
    magnitudes = patterns[near]
    magnitudes &= _MAGNITUDE
    edge = np.partition(magnitudes, over)[over]
    kept = magnitudes >= edge
    extra = int(np.count_nonzero(kept)) - k
    if extra:
        kept[np.flatnonzero(magnitudes == edge)[-extra:]] = False
    chosen: Indices = near[kept]
    return chosen


def _collected(patterns: Int32s, low: int, most: int) -> Indices:
    """Return the ascending indices of magnitudes of at least `low`, which are at most `most`."""
    near = np.empty(most + 1, index_type(patterns.size))
    return near[: int(_collect(patterns, low, near))]


def _count_numpy(patterns: Int32s, counts: Int64s) -> None:
    for start in range(0, patterns.size, _CHUNK):
        bins = (patterns[start : start + _CHUNK] & _MAGNITUDE) >> np.int32(_SHIFT)
        counts[0] += np.bincount(bins, minlength=_BINS)


def _collect_numpy(patterns: Int32s, low: int, near: npt.NDArray[Any]) -> int:
    found = 0
    for start in range(0, patterns.size, _CHUNK):
        where = np.flatnonzero((patterns[start : start + _CHUNK] & _MAGNITUDE) >= low)
        near[found : found + where.size] = where + start
        found += where.size
    return found


@kernel(_count_numpy)
def _count(patterns, counts):  # type: ignore[no-untyped-def]
    # Four tables: neighbours often share a bin, and one table would wait for its own last write.
    mask, shift = np.uint32(0x7FFFFFFF), np.uint32(_SHIFT)
    whole = patterns.size // 4 * 4
    for i in range(0, whole, 4):
        counts[0, (np.uint32(patterns[i]) & mask) >> shift] += 1
        counts[1, (np.uint32(patterns[i + 1]) & mask) >> shift] += 1
        counts[2, (np.uint32(patterns[i + 2]) & mask) >> shift] += 1
        counts[3, (np.uint32(patterns[i + 3]) & mask) >> shift] += 1
    for i in range(whole, patterns.size):
        counts[0, (np.uint32(patterns[i]) & mask) >> shift] += 1


@kernel(_collect_numpy)
def _collect(patterns, low, near):  # type: ignore[no-untyped-def]
    found, least, last = np.uint64(0), np.int32(low), np.uint64(near.size - 1)
    for i in range(patterns.size):
        near[min(found, last)] = i  # kept only if it is large: no branch to mispredict
        found += np.uint64((patterns[i] & np.int32(0x7FFFFFFF)) >= least)
    return found
