"""Sums of squares in lanes."""

import numpy as np

from fedbytes.arrays import CHUNK, Doubles, Floats
from fedbytes.compression.numerics.kernels import kernel


def _add_squares_numpy(x: Floats, sums: Doubles) -> None:
    for start in range(0, x.size, CHUNK):
        part = x[start : start + CHUNK].astype(np.float64).reshape(-1, sums.size)
        part *= part
        # accumulate adds row by row, as the loop does; sum would add in pairs.
        part[0] += sums
        sums[:] = np.add.accumulate(part, axis=0)[-1]


@kernel(_add_squares_numpy)
def add_squares(x, sums):
    """Add the squares of x to the sums, lane by lane."""
    lanes = sums.size
    for start in range(0, x.size, lanes):
        row = x[start : start + lanes]
        for lane in range(lanes):
            wide = np.float64(row[lane])
            sums[lane] += wide * wide
