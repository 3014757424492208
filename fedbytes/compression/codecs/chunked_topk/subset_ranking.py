"""Sets of k of n numbered without a gap, so that a set takes log2 C(n, k) bits."""

import functools
import math

import numpy as np

from fedbytes.arrays import Indices, UInt64s

_WIDEST = 32  # bits of a number
_MOST_PLACES = 4096  # which keeps the table small
_SAFE_PLACES = 64  # up to which no binomial coefficient is beyond 64 bits


def rank_bits(n: int, k: int) -> int | None:
    """Return how many bits the number of a set of k of n takes, or None for too many.

    None too for more than 4096 places, or 64 if k > n / 2.
    """
    if n > (_SAFE_PLACES if k > n // 2 else _MOST_PLACES):
        return None
    bits = (math.comb(n, k) - 1).bit_length()
    return bits if bits <= _WIDEST else None


def rank_sets(sets: Indices, n: int) -> UInt64s:
    """Return the number of each set: the sum of C(c_i, i) over its members, ascending, i from 1.

    Args:
        sets: int [sets, k], each row strictly ascending in [0, n).
        n: places, of which `rank_bits(n, k)` is not None.
    """
    table = _binomials(n, sets.shape[1])
    ranks = np.zeros(sets.shape[0], np.uint64)
    for i in range(sets.shape[1]):
        ranks += table[i][sets[:, i]]
    return ranks


def unrank_sets(ranks: UInt64s, n: int, k: int) -> Indices:
    """Return the sets [sets, k] that `rank_sets` numbered; ranks below C(n, k)."""
    table = _binomials(n, k)
    left = ranks.copy()
    sets = np.empty((ranks.size, k), np.int64)
    for i in reversed(range(k)):
        sets[:, i] = np.searchsorted(table[i], left, side="right") - 1
        left -= table[i][sets[:, i]]
    return sets


@functools.lru_cache(4)
def _binomials(n: int, k: int) -> UInt64s:
    """Return C(c, i + 1) at [i, c] for i below k and c below n; none beyond 64 bits."""
    table = np.empty((k, n), np.uint64)
    row = np.ones(n, np.uint64)
    for i in range(k):
        row = np.concatenate(([np.uint64(0)], np.cumsum(row[:-1], dtype=np.uint64)))
        table[i] = row
    return table
