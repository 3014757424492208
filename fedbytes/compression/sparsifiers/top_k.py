"""The coordinates of largest magnitude."""

import numpy as np

from fedbytes.arrays import Floats, Indices, Int32s
from fedbytes.compression.coding.index_sets import index_type
from fedbytes.compression.sparsifiers.loops import (
    BIN_SHIFT,
    BINS,
    MAGNITUDE,
    collect_magnitudes,
    count_magnitudes,
)


def select_top_k(x: Floats, k: int) -> Indices:
    """Return the ascending indices of the k coordinates of largest magnitude.

    Ties go to the lower index; zeros are left out, so there may be fewer than k. One pass counts
    magnitudes by their leading bits, a second collects the candidates.
    """
    patterns = x.view(np.int32)  # without the sign, patterns sort like magnitudes
    if k >= x.size:
        return _collect_from(patterns, 1, int(np.count_nonzero(x)))
    counts = np.zeros((4, BINS), np.int64)
    count_magnitudes(patterns, counts)
    above = np.cumsum(counts.sum(axis=0)[::-1])[::-1]
    last_bin = int(np.flatnonzero(above >= k)[-1])  # the bin of the k-th largest
    near = _collect_from(patterns, max(last_bin << BIN_SHIFT, 1), int(above[last_bin]))
    over = near.size - k
    if over <= 0:
        return near
    magnitudes = patterns[near]
    magnitudes &= MAGNITUDE
    edge = np.partition(magnitudes, over)[over]
    kept = magnitudes >= edge
    extra = int(np.count_nonzero(kept)) - k
    if extra:
        kept[np.flatnonzero(magnitudes == edge)[-extra:]] = False
    chosen: Indices = near[kept]
    return chosen


def _collect_from(patterns: Int32s, low: int, most: int) -> Indices:
    """Return the ascending indices of magnitudes from `low` on; there are at most `most`."""
    near = np.empty(most + 1, index_type(patterns.size))
    return near[: int(collect_magnitudes(patterns, low, near))]
