"""The mean of the lowest values."""

import numpy as np


def mean_of_lowest(values: np.ndarray, share: float) -> float:
    """Return the mean of the lowest share of values, at least one; 0 of none.

    >>> mean_of_lowest(np.array([-0.1, -4.0, -0.2, -2.0, -0.3]), 0.4)
    -3.0
    """
    if not len(values):
        return 0.0
    count = max(1, int(share * len(values) + 1e-9))
    return float(np.sort(values)[:count].mean())
