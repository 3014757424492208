"""Krum's score of each vector: how far the vectors next to it are."""

import numpy as np

from fedbytes.arrays import Doubles


def krum_scores(squared: Doubles, f: int) -> Doubles:
    """Return the sum of squared distances of each row to its n - f - 2 nearest others [rows].

    Where that leaves none, to the nearest one.

    Args:
        squared: distances of each two rows [rows, rows].
        f: how many rows may be hostile.
    """
    clients = len(squared)
    nearest = np.sort(squared, axis=1)[:, 1 : 1 + max(1, clients - f - 2)]  # the first is itself
    total: Doubles = nearest.sum(axis=1)
    return total


def krum_order(squared: Doubles, f: int) -> list[int]:
    """Return the rows by ascending Krum score; of equal scores the one nearer to all comes first.

    Two rows that are each other's one neighbour have equal scores, whatever their order is.
    """
    order: list[int] = np.lexsort((squared.sum(1), krum_scores(squared, f))).tolist()
    return order
