"""The squared norm of a vector, the same on every platform."""

import numpy as np

from fedbytes.arrays import Floats
from fedbytes.compression.numerics.loops.squared_norm_loops import add_squares

_LANES = 32  # partial sums; coordinate i adds to sum i mod 32


def squared_norm(x: Floats) -> float:
    """Return the sum of squares in float64, added in the same order on every platform."""
    sums = np.zeros(_LANES, np.float64)
    whole = x.size // _LANES * _LANES
    add_squares(x[:whole], sums)
    # Python adds from left to right; numpy would add in pairs, in an order of its own.
    total: float = sum(sums.tolist())
    return total + sum(float(value) ** 2 for value in x[whole:])
