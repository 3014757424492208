"""Which coordinates are largest."""

import numpy as np

from .core import Floats
from .indices import Indices


def largest(x: Floats, k: int) -> Indices:
    """Return the ascending indices of the k coordinates of largest magnitude.

    Ties go to the lower index; zeros are left out, so there may be fewer than k.
    """
    if k >= x.size:
        return np.flatnonzero(x)
    # Magnitudes' bit patterns sort like the magnitudes, and faster.
    magnitudes = x.view(np.int32) & np.int32(0x7FFFFFFF)
    threshold = np.partition(magnitudes, x.size - k)[x.size - k]
    kept = np.flatnonzero(magnitudes >= max(threshold, 1))
    if kept.size > k:
        tied = np.flatnonzero(magnitudes[kept] == threshold)
        kept = np.delete(kept, tied[k - kept.size :])
    return kept
