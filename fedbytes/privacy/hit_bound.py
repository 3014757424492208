"""How many members any attacker finds at most under differential privacy."""

from collections.abc import Sequence
from math import exp
from typing import NamedTuple

import numpy as np
from scipy import stats

from fedbytes.arrays import Doubles


class MeasuredHits(NamedTuple):
    """A measured point of an attack: what was found of members, and of others by mistake.

    Attributes:
        hits: how many members were found.
        members: of how many.
        alarms: how many others were taken for members.
        others: of how many.
    """

    hits: int
    members: int
    alarms: int
    others: int


def most_hits(rates: Sequence[float] | Doubles, epsilon: float, delta: float) -> Doubles:
    """Return the largest share of members found at each rate of false alarms, float64 [rates].

    That of any attack on an (epsilon, delta)-private mechanism whose protected unit holds the
    member (Wasserman and Zhou 2010; Kairouz et al. 2015, arXiv:1311.0776): the smaller of
    `e^epsilon * rate + delta` and `1 - e^-epsilon * (1 - delta - rate)`, at most 1.

    >>> most_hits([0.01, 0.5], epsilon=1.0, delta=0.001).round(4).tolist()
    [0.0282, 0.8164]

    Args:
        rates: of false alarms, in [0, 1].
        epsilon: at least 0.
        delta: in [0, 1).

    Raises:
        ValueError: for numbers out of range.
    """
    if not epsilon >= 0 or not 0 <= delta < 1:
        raise ValueError(f"epsilon must be at least 0 and delta in [0, 1), got {epsilon}, {delta}")
    x = np.asarray(rates, dtype=np.float64)
    if ((x < 0) | (x > 1)).any():
        raise ValueError(f"rates of false alarms must be in [0, 1], got {x.tolist()}")
    steep = exp(epsilon) * x + delta if epsilon < 700 else np.where(x > 0, 1.0, delta)
    flat = 1 - exp(-epsilon) * (1 - delta - x)
    return np.minimum(np.minimum(steep, flat), 1.0)


def hits_above(
    points: Sequence[MeasuredHits], epsilon: float, delta: float, confidence: float = 0.95
) -> list[MeasuredHits]:
    """Return the points that lie above the curve by more than their binomial error.

    A point counts where even the lower end of its share of hits is more than the curve allows at
    the upper end of its rate of alarms; both are Clopper and Pearson's, one-sided, each at half of
    what `confidence` leaves. A mechanism whose noise was forgotten is caught by it: 90 of 100
    members at 1 of 100 false alarms are above the curve of epsilon 1.

    >>> len(hits_above([MeasuredHits(90, 100, 1, 100)], epsilon=1.0, delta=1e-3))
    1
    >>> hits_above([MeasuredHits(3, 100, 1, 100)], epsilon=1.0, delta=1e-3)
    []
    """
    tail = (1 - confidence) / 2
    found = []
    for point in points:
        low = _lower(point.hits, point.members, tail)
        high = 1 - _lower(point.others - point.alarms, point.others, tail)
        if low > most_hits([high], epsilon, delta)[0]:
            found.append(point)
    return found


def _lower(found: int, of: int, tail: float) -> float:
    """Return the least share at which so many are found with a chance of `tail`."""
    return float(stats.beta.ppf(tail, found, of - found + 1)) if found else 0.0
