"""Coordinates above a threshold."""

import numpy as np

from fedbytes.arrays import Indices
from fedbytes.compression.codec import Floats


def select_at_least(x: Floats, cutoff: float) -> Indices:
    """Return the ascending indices of the coordinates of magnitude `cutoff` and more, zeros never.

    Args:
        x: float32 [n].
        cutoff: rounded to float32 before the comparison.
    """
    # Magnitudes' bit patterns sort like the magnitudes.
    lowest = max(int(np.float32(cutoff).view(np.int32)), 1)
    return np.flatnonzero((x.view(np.int32) & np.int32(0x7FFFFFFF)) >= lowest)
