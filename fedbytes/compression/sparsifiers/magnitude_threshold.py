"""Coordinates above a threshold."""

import numpy as np

from fedbytes.arrays import Floats, Indices


def select_at_least(x: Floats, cutoff: float) -> Indices:
    """Return the ascending indices of magnitudes from `cutoff` on, zeros left out.

    Args:
        x: float32 [n].
        cutoff: rounded to float32 before the comparison.
    """
    # Bit patterns of magnitudes sort like the magnitudes.
    lowest = max(int(np.float32(cutoff).view(np.int32)), 1)
    return np.flatnonzero((x.view(np.int32) & np.int32(0x7FFFFFFF)) >= lowest)
