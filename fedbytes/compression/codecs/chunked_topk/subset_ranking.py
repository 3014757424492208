"""Subsets of k of n, numbered without gaps, so that a subset takes log2 C(n, k) bits."""

import functools
import math

import numpy as np

from fedbytes.arrays import Indices, UInt64s

_WIDEST = 32  # bits of a number
_MOST_ELEMENTS = 4096  # keeps the table small
_SAFE_ELEMENTS = 64  # up to which binomial coefficients fit 64 bits


def rank_bits(n: int, k: int) -> int | None:
    """Return the width of the number of a subset of k of n, or None if it exceeds 32 bits.

    None as well if n exceeds 4096, or 64 for k > n / 2.
    """
    if n > (_SAFE_ELEMENTS if k > n // 2 else _MOST_ELEMENTS):
        return None
    bits = (math.comb(n, k) - 1).bit_length()
    return bits if bits <= _WIDEST else None


def rank_sets(sets: Indices, n: int) -> UInt64s:
    """Return the number of each subset: the sum of C(c_i, i) over its elements c_1 < c_2 < … < c_k.

    Args:
        sets: int [sets, k], each row strictly ascending in [0, n).
        n: number of elements; `rank_bits(n, k)` must not be None.
    """
    table = _binomials(n, sets.shape[1])
    ranks = np.zeros(sets.shape[0], np.uint64)
    for i in range(sets.shape[1]):
        ranks += table[i][sets[:, i]]
    return ranks


def unrank_sets(ranks: UInt64s, n: int, k: int) -> Indices:
    """Invert `rank_sets`: return the subsets [sets, k]; ranks are below C(n, k)."""
    table = _binomials(n, k)
    left = ranks.copy()
    sets = np.empty((ranks.size, k), np.int64)
    for i in reversed(range(k)):
        # The greedy choice: the largest c with C(c, i + 1) <= the rest.
        sets[:, i] = np.searchsorted(table[i], left, side="right") - 1
        left -= table[i][sets[:, i]]
    return sets


@functools.lru_cache(4)
def _binomials(n: int, k: int) -> UInt64s:
    """Return C(c, i + 1) at [i, c] for i < k and c < n; all fit 64 bits."""
    table = np.empty((k, n), np.uint64)
    row = np.ones(n, np.uint64)
    for i in range(k):
        row = np.concatenate(([np.uint64(0)], np.cumsum(row[:-1], dtype=np.uint64)))
        table[i] = row
    return table
