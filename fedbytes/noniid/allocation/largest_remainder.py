"""Shares to whole examples by largest remainder, which favours no client."""

import numpy as np

from fedbytes.noniid.arrays import Floats, Ints


def largest_remainder(shares: Floats, total: int, rng: np.random.Generator) -> Ints:
    """Return whole counts that sum to `total`, each within one of `shares * total`.

    Cutting at the floor of a cumulative sum instead takes examples from the first client and
    gives them to the last. Equal remainders are decided by `rng`. The result does not depend on
    how a platform orders equal elements.

    Args:
        shares: non-negative, [parts]; they sum to one up to rounding.
        total: how many are shared out, at least 0.
        rng: used only where equal remainders compete.
    """
    exact = shares * total
    counts = np.floor(exact).astype(np.int64)
    left = total - int(counts.sum())
    if left < 0:  # the shares' own rounding pushed a whole share over its bound
        counts[int(np.argmax(counts))] += left
        return counts
    winners = _largest(exact - counts, min(left, counts.size), rng)
    counts[winners] += 1
    counts[int(np.argmax(shares))] += left - winners.size
    return counts


def share_by_surplus(surplus: Ints, total: int) -> Ints:
    """Return how much each part gives, in proportion to its surplus; together they give `total`.

    Exact integer arithmetic; nobody gives more than its surplus. `total` is at most the sum.
    """
    given, rest = np.divmod(surplus * total, max(int(surplus.sum()), 1))
    left = total - int(given.sum())
    given[np.argsort(-rest, kind="stable")[:left]] += 1
    return given


def _largest(values: Floats, count: int, rng: np.random.Generator) -> Ints:
    """Return the indices of the `count` largest values; ties at the edge are drawn."""
    if count == 0:
        return np.zeros(0, dtype=np.int64)
    edge = np.partition(values, values.size - count)[values.size - count]
    above = np.flatnonzero(values > edge)
    tied = np.flatnonzero(values == edge)
    if above.size + tied.size > count:
        tied = rng.permutation(tied)[: count - above.size]
    return np.concatenate([above, tied])
