"""Holm's adjustment of p-values for several hypotheses."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def adjust_holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Return p-values adjusted so that rejecting those at most α errs with probability α in all.

    Holm (1979), "A simple sequentially rejective multiple test procedure". It holds whatever the
    dependence of the tests.

    Args:
        p_values: [k], each from 0 to 1.

    Raises:
        ValueError: if one is outside of 0 to 1.

    Example:
        >>> adjust_holm([0.01, 0.04, 0.03]).round(2).tolist()
        [0.03, 0.06, 0.06]
    """
    values = np.asarray(p_values, dtype=np.float64).ravel()
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"p-values lie from 0 to 1, got {values.tolist()}")
    order = np.argsort(values, kind="stable")
    factors = np.arange(values.size, 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(values[order] * factors))
    return adjusted
