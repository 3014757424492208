"""Groups of neighbouring coordinates that share a scale: tensors of the layout, or blocks."""

from typing import Any

import numpy as np
import numpy.typing as npt

from fedbytes.arrays import Doubles, Floats, Int64s
from fedbytes.compression.layout import Layout
from fedbytes.compression.numerics.loops.groups_loops import (
    find_group_peaks,
    pick_group_levels,
    scale_each_group,
    sum_group_powers,
)


def group_sizes(layout: Layout, block: int) -> Int64s:
    """Return the number of coordinates of each group; no group is empty.

    Args:
        layout: of the vector.
        block: coordinates per group (the last may be shorter); 0 makes each tensor a group.
    """
    if block:
        starts = np.arange(0, layout.numel, block)
        return np.minimum(layout.numel - starts, block)
    sizes = np.diff(np.array(layout.offsets))
    return sizes[sizes > 0]


def group_peaks(x: Floats, sizes: Int64s) -> Floats:
    """Return the largest magnitude in each group."""
    peaks = np.empty(sizes.size, np.int32)
    # Bit patterns without the sign sort like magnitudes, and integers compare without NaN rules.
    find_group_peaks(x.view(np.int32), np.cumsum(sizes), peaks)
    return peaks.view(np.float32)


def group_sums(x: Floats, sizes: Int64s, power: int) -> Doubles:
    """Return the sum of x (power 1) or of x^2 (power 2) in each group.

    Sums are in float64 and in order, so that the last bit is the same everywhere.
    """
    sums = np.empty(sizes.size, np.float64)
    sum_group_powers(x, np.cumsum(sizes), power, sums)
    return sums


def scale_groups(x: Floats, factors: Floats, sizes: Int64s, out: Floats) -> Floats:
    """Write x times the factor of its group to `out`, which may be x, and return it."""
    scale_each_group(x, factors, np.cumsum(sizes), out)
    return out


def pick_levels(bits: npt.NDArray[Any], zero: Floats, one: Floats, sizes: Int64s) -> Floats:
    """Return the level of its group that each bit (uint8 [n], 0 or 1) selects."""
    y = np.empty(bits.size, np.float32)
    pick_group_levels(bits, zero, one, np.cumsum(sizes), y)
    return y
