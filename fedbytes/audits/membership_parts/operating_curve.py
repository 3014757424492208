"""How well scores tell members from others: AUC, and hits at low rates of false alarms."""

from dataclasses import dataclass
from math import sqrt
from typing import Any, NamedTuple

import numpy as np
from scipy import optimize, stats

from fedbytes.arrays import Doubles

RATES = (0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
"""Rates of false alarms at which the share of members that are found is put down."""
CHANCE = 0.5
"""The AUC of guessing."""
_Z = 1.959963984540054  # of 95 %


class Bracketed(NamedTuple):
    """A share or an area with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class OperatingCurve:
    """Scores of members and of others, the higher the likelier a member.

    Of members 3 and 1 and others 2 and 0, three of four pairs are in order: the AUC is 0.75. At no
    false alarm at all half of the members are found.

    >>> curve = OperatingCurve(np.array([3.0, 1.0]), np.array([2.0, 0.0]))
    >>> curve.auc.value, curve.hits_at(0.5).value
    (0.75, 1.0)

    Attributes:
        members: float64 [members].
        others: float64 [others].
    """

    members: Doubles
    others: Doubles

    def __post_init__(self) -> None:
        if not len(self.members) or not len(self.others):
            raise ValueError(
                f"{len(self.members)} members and {len(self.others)} others: there must be some "
                "of both"
            )

    @property
    def auc(self) -> Bracketed:
        """The share of pairs in order, ties half, with DeLong's interval (DeLong et al. 1988).

        Where that has no width, as when all pairs are in order, it is the one that Hanley and
        McNeil's variance gives (1982), solved for the area as Wilson does for a share.
        """
        wins, losses = _placements(self.members, self.others)
        area = float(wins.mean())
        spread = _variance(wins) / len(wins) + _variance(losses) / len(losses)
        if spread > 0:
            half = _Z * sqrt(spread)
            return Bracketed(area, max(0.0, area - half), min(1.0, area + half))
        low, high = (_solved(area, len(wins), len(losses), side) for side in (-1, 1))
        return Bracketed(area, low, high)

    @property
    def auc_error(self) -> float:
        """DeLong's standard error of the AUC."""
        wins, losses = _placements(self.members, self.others)
        return sqrt(_variance(wins) / len(wins) + _variance(losses) / len(losses))

    def hits_at(self, rate: float) -> Bracketed | None:
        """Return the share of members found where at most a `rate` of the others is.

        The threshold is the score of one of the others. The interval is Clopper and Pearson's, for
        that threshold.

        Returns:
            None where there are less than 1 / rate others: none of them may then be found, and the
            rate was not measured.
        """
        allowed = int(rate * len(self.others) + 1e-9)
        if allowed < 1:
            return None
        ordered = np.sort(self.others)[::-1]
        threshold = ordered[allowed] if allowed < len(ordered) else -np.inf
        found = int((self.members > threshold).sum())
        return share_with_interval(found, len(self.members))


def row_of_curve(curve: OperatingCurve) -> dict[str, Any]:
    """Return what is put down of a curve: the numbers of texts, the AUC, chance, and the hits."""
    area = curve.auc
    row: dict[str, Any] = {"members": len(curve.members), "others": len(curve.others)}
    row |= {"auc": area.value, "auc_low": area.low, "auc_high": area.high, "chance": CHANCE}
    for rate in RATES:
        hits = curve.hits_at(rate)
        row |= {f"tpr_{rate:g}": None if hits is None else hits.value}
        row |= {f"tpr_{rate:g}_low": None if hits is None else hits.low}
        row |= {f"tpr_{rate:g}_high": None if hits is None else hits.high}
    return row


def share_with_interval(found: int, of: int) -> Bracketed:
    """Return a share with Clopper and Pearson's 95 % interval.

    >>> share_with_interval(0, 10).high < 0.31
    True
    """
    low = float(stats.beta.ppf(0.025, found, of - found + 1)) if found else 0.0
    high = float(stats.beta.ppf(0.975, found + 1, of - found)) if found < of else 1.0
    return Bracketed(found / of, low, high)


def _placements(members: Doubles, others: Doubles) -> tuple[Doubles, Doubles]:
    """Return for each member the share of others below it, and for each other of members above."""
    below, above = np.sort(others), np.sort(members)
    wins = np.searchsorted(below, members, "left") + np.searchsorted(below, members, "right")
    losses = np.searchsorted(above, others, "left") + np.searchsorted(above, others, "right")
    return wins / (2 * len(others)), 1 - losses / (2 * len(members))


def _variance(values: Doubles) -> float:
    return float(values.var(ddof=1)) if len(values) > 1 else 0.25


def _solved(area: float, members: int, others: int, side: int) -> float:
    """Return the area below (side -1) or above at whose own error the found one is just likely."""

    def excess(true: float) -> float:
        more = members + others - 2
        inner = 1 + more / 2 * ((1 - true) / (2 - true) + true / (1 + true))
        return abs(area - true) - _Z * sqrt(max(0.0, true * (1 - true) * inner / members / others))

    end = 0.0 if side < 0 else 1.0
    if abs(area - end) < 1e-12:
        return end
    near = area + side * 1e-9
    if excess(near) * excess(end) > 0:
        return end
    return float(optimize.brentq(excess, *sorted((near, end))))
