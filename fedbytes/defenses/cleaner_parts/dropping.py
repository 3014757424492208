"""Which examples are left once those of the highest score are dropped."""

import numpy as np


def keep_lowest(indices: np.ndarray, scores: np.ndarray, drop: float) -> np.ndarray:
    """Return the examples without the floor(drop * n) of the highest score, in their order.

    Of equal scores the later examples are dropped. Scores 1, 9, 3, 4 at a drop of 0.25 leave the
    first, third and fourth.
    """
    kept = np.argsort(scores, kind="stable")[: len(indices) - int(drop * len(indices))]
    return indices[np.sort(kept)]


def keep_others(indices: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return the examples but those at `places`, in their order; all if none would be left."""
    if len(places) >= len(indices):
        return indices
    kept = np.ones(len(indices), dtype=bool)
    kept[places] = False
    return indices[kept]
