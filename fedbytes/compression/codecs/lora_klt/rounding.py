"""Round one run of coordinates: integers, decoded values, and the squared error."""

import numpy as np

from fedbytes.arrays import Doubles, Floats, Int32s, Int64s
from fedbytes.compression.codecs.lora_klt.loops.rounding_loops import PARTS_PER_STEP, round_levels


def round_run(
    x: Floats,
    step: float,
    first: float,
    offsets: Doubles,
    sums: Int64s,
) -> tuple[Int32s, Floats, float]:
    """Return the integers of x, their decoded values, and the squared error.

    Args:
        x: float32 [n].
        step: the quantiser's step.
        first: magnitudes from this many steps on do not round to 0.
        offsets: of the levels ±1, and of ±2 and beyond, in steps.
        sums: int64 [2, 2]; adds, for these levels, their count and the sum of their distances to
            the coordinates, in 1/4096 step.
    """
    q, decoded = np.empty(x.size, np.int32), np.empty(x.size, np.float32)
    inverse = np.float32(1.0 / step)
    scale = PARTS_PER_STEP / step
    error = round_levels(
        x, inverse, np.float32(first), offsets[0], offsets[1], step, scale, q, decoded, sums
    )
    return q, decoded, float(error) / scale**2


def mean_offsets(sums: Int64s) -> Doubles:
    """Return the mean offset in steps, from sums [..., 2] of counts and offsets."""
    means: Doubles = sums[..., 1] / (np.maximum(sums[..., 0], 1) * PARTS_PER_STEP)
    return means
