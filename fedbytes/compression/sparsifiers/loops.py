"""Magnitudes counted by their leading bits, and those above a bound collected."""

from typing import Any

import numpy as np
import numpy.typing as npt

from fedbytes.arrays import Int32s, Int64s
from fedbytes.compression.numerics.kernels import kernel

MAGNITUDE = np.int32(0x7FFFFFFF)
BIN_SHIFT = 20  # bins of an eighth of an octave
BINS = 1 << (31 - BIN_SHIFT)
_CHUNK = 1 << 16


def _count_magnitudes_numpy(patterns: Int32s, counts: Int64s) -> None:
    for start in range(0, patterns.size, _CHUNK):
        bins = (patterns[start : start + _CHUNK] & MAGNITUDE) >> np.int32(BIN_SHIFT)
        counts[0] += np.bincount(bins, minlength=BINS)


def _collect_magnitudes_numpy(patterns: Int32s, low: int, near: npt.NDArray[Any]) -> int:
    found = 0
    for start in range(0, patterns.size, _CHUNK):
        where = np.flatnonzero((patterns[start : start + _CHUNK] & MAGNITUDE) >= low)
        near[found : found + where.size] = where + start
        found += where.size
    return found


@kernel(_count_magnitudes_numpy)
def count_magnitudes(patterns, counts):
    """Add the bin of each magnitude to four tables."""
    # Four tables: neighbours often share a bin, and one table would wait for its own last write.
    mask, shift = np.uint32(0x7FFFFFFF), np.uint32(BIN_SHIFT)
    whole = patterns.size // 4 * 4
    for i in range(0, whole, 4):
        counts[0, (np.uint32(patterns[i]) & mask) >> shift] += 1
        counts[1, (np.uint32(patterns[i + 1]) & mask) >> shift] += 1
        counts[2, (np.uint32(patterns[i + 2]) & mask) >> shift] += 1
        counts[3, (np.uint32(patterns[i + 3]) & mask) >> shift] += 1
    for i in range(whole, patterns.size):
        counts[0, (np.uint32(patterns[i]) & mask) >> shift] += 1


@kernel(_collect_magnitudes_numpy)
def collect_magnitudes(patterns, low, near):
    """Write the indices of magnitudes of at least `low`; return how many."""
    found, least, last = np.uint64(0), np.int32(low), np.uint64(near.size - 1)
    for i in range(patterns.size):
        near[min(found, last)] = i  # kept only if it is large: no branch to mispredict
        found += np.uint64((patterns[i] & np.int32(0x7FFFFFFF)) >= least)
    return found
