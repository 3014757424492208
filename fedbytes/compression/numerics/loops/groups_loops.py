"""Peaks, sums and products by groups that end at given indices."""

from typing import Any

import numpy as np
import numpy.typing as npt

from fedbytes.arrays import CHUNK, Doubles, Floats, Int32s, Int64s
from fedbytes.compression.numerics.kernels import kernel


def _find_group_peaks_numpy(bits: Int32s, ends: Int64s, peaks: Int32s) -> None:
    if ends.size:
        starts = np.append(0, ends[:-1])
        peaks[:] = np.maximum.reduceat(bits & np.int32(0x7FFFFFFF), starts)


def _sum_group_powers_numpy(x: Floats, ends: Int64s, power: int, sums: Doubles) -> None:
    start = 0
    for group, end in enumerate(ends.tolist()):
        total = 0.0
        for at in range(start, end, CHUNK):
            part = x[at : min(at + CHUNK, end)].astype(np.float64)
            # Carried into the first number, so that the additions are those of one loop, in order.
            part[0] = part[0] ** power + total
            part[1:] **= power
            total = float(np.add.accumulate(part)[-1])
        sums[group], start = total, end


def _scale_each_group_numpy(x: Floats, factors: Floats, ends: Int64s, out: Floats) -> None:
    start = 0
    with np.errstate(all="ignore"):
        for factor, end in zip(factors, ends.tolist(), strict=True):
            np.multiply(x[start:end], factor, out=out[start:end])
            start = end


def _pick_group_levels_numpy(
    bits: npt.NDArray[Any], zero: Floats, one: Floats, ends: Int64s, y: Floats
) -> None:
    start = 0
    for group, end in enumerate(ends.tolist()):
        y[start:end] = np.where(bits[start:end], one[group], zero[group])
        start = end


@kernel(_find_group_peaks_numpy)
def find_group_peaks(bits: Any, ends: Any, peaks: Any) -> None:
    """Write the largest magnitude of each group, as a bit pattern."""
    start = 0
    for group in range(ends.size):
        part = bits[start : ends[group]]
        largest = np.int32(0)
        for i in range(part.size):
            magnitude = np.int32(part[i] & np.int32(0x7FFFFFFF))
            largest = magnitude if magnitude > largest else largest
        peaks[group] = largest
        start = ends[group]


@kernel(_sum_group_powers_numpy)
def sum_group_powers(x: Any, ends: Any, power: Any, sums: Any) -> None:
    """Write the sum of x or of x^2 of each group."""
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


@kernel(_scale_each_group_numpy)
def scale_each_group(x: Any, factors: Any, ends: Any, out: Any) -> None:
    """Write x times the factor of its group."""
    start = 0
    for group in range(ends.size):
        part, into = x[start : ends[group]], out[start : ends[group]]
        factor = factors[group]
        for i in range(part.size):
            into[i] = part[i] * factor
        start = ends[group]


@kernel(_pick_group_levels_numpy)
def pick_group_levels(bits: Any, zero: Any, one: Any, ends: Any, y: Any) -> None:
    """Write the level of its group that each bit selects."""
    start = 0
    for group in range(ends.size):
        part, into = bits[start : ends[group]], y[start : ends[group]]
        first, second = zero[group], one[group]
        for i in range(part.size):
            into[i] = second if part[i] else first
        start = ends[group]
