"""Rounding one run of coordinates for `lora_klt`: integers, what they stand for, and the error."""

from typing import Any

import numpy as np

from fedbytes.arrays import Doubles, Floats, Int32s, Int64s
from fedbytes.compression.numerics.kernels import kernel

_DEAD = np.float32(0.1)  # how far, in steps, thresholds above the first lie from the middle
_FINE = 4096  # offsets and errors are summed in whole parts of a step: the same in any order


def round_run(
    x: Floats,
    step: float,
    first: float,
    moves: Doubles,
    sums: Int64s,
) -> tuple[Int32s, Floats, float]:
    """Return the integers of x, the values that they are decoded to, and the squared error.

    Args:
        x: float32 [n].
        step: the quantiser's step.
        first: magnitudes from this many steps on are not rounded to 0.
        moves: how far the levels ±1, and ±2 and beyond, are moved, in steps.
        sums: int64 [2, 2], to which is added for these levels: how many there are, and how far
            they would have to be moved, in 1/4096 step.
    """
    q, decoded = np.empty(x.size, np.int32), np.empty(x.size, np.float32)
    inverse = np.float32(1.0 / step)
    scale = _FINE / step
    error = _round(x, inverse, np.float32(first), moves[0], moves[1], step, scale, q, decoded, sums)
    return q, decoded, float(error) / scale**2


def offset_steps(sums: Int64s) -> Doubles:
    """Return the mean offset, in steps, of sums [..., 2] of counts and offsets."""
    means: Doubles = sums[..., 1] / (np.maximum(sums[..., 0], 1) * _FINE)
    return means


def _round_numpy(
    x: Floats,
    inverse: Any,
    first: Any,
    one: Any,
    more: Any,
    step: Any,
    scale: Any,
    q: Int32s,
    decoded: Floats,
    sums: Int64s,
) -> float:
    size = np.abs(x) * inverse
    level = np.rint(np.maximum(size - _DEAD, np.float32(0)))
    level = np.where(size >= first, np.maximum(level, np.float32(1)), np.float32(0))
    offsets = np.rint((size - level) * np.float32(_FINE)).astype(np.int64)
    for member, inside in enumerate((level == 1, level > 1)):
        sums[member, 0] += np.count_nonzero(inside)
        sums[member, 1] += offsets[inside].sum()
    q[:] = np.copysign(level, x)
    moved = level + np.where(level > 1, more, np.where(level > 0, one, 0.0))
    decoded[:] = np.copysign(moved, x) * step
    errors = np.rint((x - decoded).astype(np.float64) * scale)
    return float((errors * errors).sum())


@kernel(_round_numpy)
def _round(x, inverse, first, one, more, step, scale, q, decoded, sums):  # type: ignore[no-untyped-def]
    zero, unit, fine = np.float32(0), np.float32(1), np.float32(_FINE)
    total = 0.0
    for i in range(x.size):
        size = abs(x[i]) * inverse
        level = np.rint(max(size - _DEAD, zero))
        level = max(level, unit) if size >= first else zero
        moved = np.float64(level)
        if level > zero:
            member = 0 if level == unit else 1
            sums[member, 0] += 1
            sums[member, 1] += np.int64(np.rint((size - level) * fine))
            moved += one if level == unit else more
        value = np.float32((moved if x[i] >= zero else -moved) * step)
        q[i] = np.int32(level) if x[i] >= zero else -np.int32(level)
        decoded[i] = value
        error = np.rint(np.float64(x[i] - value) * scale)
        total += error * error
    return total
