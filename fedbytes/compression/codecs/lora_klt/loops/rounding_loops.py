"""One run of coordinates rounded to levels, with offsets and error."""

from typing import Any

import numpy as np

from fedbytes.arrays import Floats, Int32s, Int64s
from fedbytes.compression.numerics.kernels import kernel

_DEAD = np.float32(0.1)  # shift, in steps, of the thresholds above the first from the middle
PARTS_PER_STEP = 4096  # offsets and errors are summed in whole 1/4096 step: equal in any order


def _round_levels_numpy(
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
    offsets = np.rint((size - level) * np.float32(PARTS_PER_STEP)).astype(np.int64)
    for member, inside in enumerate((level == 1, level > 1)):
        sums[member, 0] += np.count_nonzero(inside)
        sums[member, 1] += offsets[inside].sum()
    q[:] = np.copysign(level, x)
    moved = level + np.where(level > 1, more, np.where(level > 0, one, 0.0))
    decoded[:] = np.copysign(moved, x) * step
    errors = np.rint((x - decoded).astype(np.float64) * scale)
    return float((errors * errors).sum())


@kernel(_round_levels_numpy)
def round_levels(x, inverse, first, one, more, step, scale, q, decoded, sums):
    """Round x to levels; return the squared error in units of 1 / scale^2."""
    zero, unit, fine = np.float32(0), np.float32(1), np.float32(PARTS_PER_STEP)
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
