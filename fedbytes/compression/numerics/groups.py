"""Groups of neighbouring coordinates that share a scale: tensors of the layout, or blocks."""

from typing import Any

import numpy as np
import numpy.typing as npt

from fedbytes.arrays import CHUNK, Doubles, Floats, Int32s, Int64s
from fedbytes.compression.layout import Layout
from fedbytes.compression.numerics.kernels import kernel


def group_sizes(layout: Layout, block: int) -> Int64s:
    """Return the coordinates of each group, none empty.

    Args:
        layout: of the vector.
        block: coordinates a group (the last may be short); 0 makes each tensor a group.
    """
    if block:
        starts = np.arange(0, layout.numel, block)
        return np.minimum(layout.numel - starts, block)
    sizes = np.diff(np.array(layout.offsets))
    return sizes[sizes > 0]


def group_peaks(x: Floats, sizes: Int64s) -> Floats:
    """Return the largest magnitude in each group."""
    peaks = np.empty(sizes.size, np.int32)
    _peaks(x.view(np.int32), np.cumsum(sizes), peaks)
    return peaks.view(np.float32)


def group_sums(x: Floats, sizes: Int64s, power: int) -> Doubles:
    """Return the sum of x (power 1) or of x^2 (power 2) in each group, in double precision.

    Added in order, so that the last bit is the same everywhere.
    """
    sums = np.empty(sizes.size, np.float64)
    _sums(x, np.cumsum(sizes), power, sums)
    return sums


def scale_groups(x: Floats, factors: Floats, sizes: Int64s, out: Floats) -> Floats:
    """Write x * factor of the group to `out`, which may be x, and return it."""
    _scale(x, factors, np.cumsum(sizes), out)
    return out


def pick_levels(bits: npt.NDArray[Any], zero: Floats, one: Floats, sizes: Int64s) -> Floats:
    """Return for each coordinate the group's level for its bit (uint8 [n], 0 or 1)."""
    y = np.empty(bits.size, np.float32)
    _pick(bits, zero, one, np.cumsum(sizes), y)
    return y


def _peaks_numpy(bits: Int32s, ends: Int64s, peaks: Int32s) -> None:
    if ends.size:
        starts = np.append(0, ends[:-1])
        peaks[:] = np.maximum.reduceat(bits & np.int32(0x7FFFFFFF), starts)


def _sums_numpy(x: Floats, ends: Int64s, power: int, sums: Doubles) -> None:
    start = 0
    for group, end in enumerate(ends.tolist()):
        total = 0.0
        for at in range(start, end, CHUNK):
            part = x[at : min(at + CHUNK, end)].astype(np.float64)
            part[0] = part[0] ** power + total
            part[1:] **= power
            total = float(np.add.accumulate(part)[-1])
        sums[group], start = total, end


def _scale_numpy(x: Floats, factors: Floats, ends: Int64s, out: Floats) -> None:
    start = 0
    with np.errstate(all="ignore"):
        for factor, end in zip(factors, ends.tolist(), strict=True):
            np.multiply(x[start:end], factor, out=out[start:end])
            start = end


def _pick_numpy(bits: npt.NDArray[Any], zero: Floats, one: Floats, ends: Int64s, y: Floats) -> None:
    start = 0
    for group, end in enumerate(ends.tolist()):
        y[start:end] = np.where(bits[start:end], one[group], zero[group])
        start = end


@kernel(_peaks_numpy)
def _peaks(bits: Any, ends: Any, peaks: Any) -> None:
    start = 0
    for group in range(ends.size):
        part = bits[start : ends[group]]
        largest = np.int32(0)
        for i in range(part.size):
            magnitude = np.int32(part[i] & np.int32(0x7FFFFFFF))
            largest = magnitude if magnitude > largest else largest
        peaks[group] = largest
        start = ends[group]


@kernel(_sums_numpy)
def _sums(x: Any, ends: Any, power: Any, sums: Any) -> None:
    start = 0
    for group in range(ends.size):
        part = x[start : ends[group]]
        total = 0.0
        if power == 1:
            for i in range(part.size):
                total += np.float64(part[i])
        else:
            for i in range(part.size):
                total += np.float64(part[i]) * np.float64(part[i])
        sums[group] = total
        start = ends[group]


@kernel(_scale_numpy)
def _scale(x: Any, factors: Any, ends: Any, out: Any) -> None:
    start = 0
    for group in range(ends.size):
        part, into = x[start : ends[group]], out[start : ends[group]]
        factor = factors[group]
        for i in range(part.size):
            into[i] = part[i] * factor
        start = ends[group]


@kernel(_pick_numpy)
def _pick(bits: Any, zero: Any, one: Any, ends: Any, y: Any) -> None:
    start = 0
    for group in range(ends.size):
        part, into = bits[start : ends[group]], y[start : ends[group]]
        first, second = zero[group], one[group]
        for i in range(part.size):
            into[i] = second if part[i] else first
        start = ends[group]
