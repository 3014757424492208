"""Integer tables that minimise the error of stochastic rounding of a normal variable."""

import functools

import numpy as np

from fedbytes.arrays import Doubles, Int64s

_POINTS = 16  # samples of the density per step of the grid, at midpoints
_SQUARINGS = 8


@functools.cache
def integer_table(bits: int, granularity: int, limit: float) -> Int64s:
    """Return 2^bits ascending integers in [-granularity, granularity], all of its parity.

    An integer represents limit * integer / granularity. Of all symmetric tables, this one has the
    least mean square error when N(0, 1) within ±limit is rounded up or down at random (Li et al.
    2024, THC, solve the same problem). Every platform gets the same table: the density is
    approximated by (1 - z^2 / 512)^256, without exponentials, and sums have one order.

    Args:
        bits: 1 or more.
        granularity: at least 2^bits - 1.
        limit: largest magnitude in standard deviations, below 16.
    """
    entries = 1 << (bits - 1)
    costs = _costs(granularity, limit)
    points = granularity // 2 + 1 if granularity % 2 == 0 else (granularity + 1) // 2
    inner = np.triu(costs[:points, :points], 1)
    inner[np.tril_indices(points)] = np.inf
    # Dynamic programme: the least cost of half a table that ends at each integer.
    best = np.full(points, np.inf)
    best[0] = 0
    before = []
    for _ in range(entries - 1):
        candidates = best[:, None] + inner
        before.append(candidates.argmin(axis=0))
        best = candidates.min(axis=0)
    # The gap between the two mirrored halves counts once.
    middle = np.array([costs[point, granularity - point] for point in range(points)]) / 2
    if granularity % 2 == 0:
        middle[-1] = np.inf  # both halves would have the entry 0
    chosen = [int((best + middle).argmin())]
    for step in reversed(before):
        chosen.append(int(step[chosen[-1]]))
    half = 2 * np.array(chosen[::-1], np.int64) - granularity
    return np.concatenate((half, -half[::-1]))


def _costs(granularity: int, limit: float) -> Doubles:
    """Return, for a < b, the mean square error of rounding values between them to a or b."""
    steps = np.arange(granularity * _POINTS, dtype=np.float64)
    point = (steps + 0.5) / _POINTS  # in units of the grid, from 0
    z = (point * 2 - granularity) * (limit / granularity)
    weight = 1 - z * z / 512
    for _ in range(_SQUARINGS):
        weight = weight * weight
    sums = [_running(weight * point**power) for power in range(3)]
    mass, first, second = (s[None, :] - s[:, None] for s in sums)
    a = np.arange(granularity + 1, dtype=np.float64)
    return (a[:, None] + a[None, :]) * first - a[:, None] * a[None, :] * mass - second


def _running(values: Doubles) -> Doubles:
    """Return cumulative sums at the points of the grid."""
    sums = np.concatenate(([0.0], np.cumsum(values)))
    return sums[::_POINTS]
