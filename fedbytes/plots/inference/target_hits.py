"""The bytes at which a run reaches a target for good, or what is known if it does not."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, isfinite, log
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

LASTING = 2  # evaluations that a hit needs from it on
TARGET_ROOM = 0.05  # between a target and what a constant classifier reaches

HitKind: TypeAlias = Literal["between", "at once", "missed"]


@dataclass(frozen=True)
class Hit:
    """What one run says of the bytes to a target.

    Attributes:
        bytes: needed, interpolated, for `between`; those of the first evaluation, which are the
            most that were needed, for `at once`; those of the whole run, which do not suffice, for
            `missed`.
        kind: which of the three.
    """

    bytes: float
    kind: HitKind

    @property
    def reached(self) -> bool:
        """Whether the run reaches the target."""
        return self.kind != "missed"


def find_hit(
    spent: Sequence[float], values: Sequence[float], target: float, rises: bool = True
) -> Hit:
    """Return where a run reaches a target and stays there.

    A hit lasts: it is the first evaluation from which on the running average never falls below the
    target again, however far the average is taken, and at least one more evaluation follows. A dip
    after a long time above does not undo it; a single good evaluation does not make it. (This is
    where the isotonic regression of the curve passes the target.) Between that evaluation and the
    one before, the logarithm of bytes is interpolated linearly.

    Args:
        spent: [n] cumulative bytes at each evaluation, above 0 and never falling; the state before
            the first round is left out, as nothing was sent for it.
        values: [n] the metric there; one that is not finite is never at the target.
        target: the metric value to reach.
        rises: whether higher is better.

    Raises:
        ValueError: if there is no evaluation, lengths differ, or bytes fall or are not above 0.
    """
    paid, seen = np.asarray(spent, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if paid.size == 0 or paid.shape != seen.shape:
        raise ValueError(
            f"a run needs as many bytes as values, and at least one of each, got {paid.size} and "
            f"{seen.size}"
        )
    if not np.isfinite(paid).all() or paid[0] <= 0 or (np.diff(paid) < 0).any():
        raise ValueError(
            "cumulative bytes must be above 0 and never fall from one evaluation to the next"
        )
    if not isfinite(target):
        raise ValueError(f"a target must be a finite number, got {target!r}")
    above = (seen - target) if rises else (target - seen)
    above = np.where(np.isfinite(seen), above, -np.inf)
    slack = 1e-12 * max(1.0, abs(target))
    for first in range(above.size - LASTING + 1):
        if (np.cumsum(above[first:]) >= -slack * np.arange(1, above.size - first + 1)).all():
            return _interpolate(paid, above, first)
    return Hit(float(paid[-1]), "missed")


def _interpolate(paid: NDArray[np.float64], above: NDArray[np.float64], first: int) -> Hit:
    if first == 0:
        return Hit(float(paid[0]), "at once")
    before, after = float(above[first - 1]), max(float(above[first]), 0.0)
    # The evaluation before is below the target, or it would have been the hit itself.
    share = -before / (after - before) if isfinite(before) else 1.0
    low, high = log(paid[first - 1]), log(paid[first])
    return Hit(exp(low + share * (high - low)), "between")


def check_target(
    target: float, constant: float, rises: bool = True, room: float = TARGET_ROOM
) -> None:
    """Refuse a target that a model which has learnt nothing comes near.

    Args:
        target: the metric value to reach.
        constant: what always answering alike reaches: for accuracy the share of the largest class.
        rises: whether higher is better.
        room: the distance that is asked for; five points of accuracy.

    Raises:
        ValueError: if the target lies nearer.
    """
    gap = (target - constant) if rises else (constant - target)
    if not gap >= room - 1e-12:
        bound = constant + room if rises else constant - room
        raise ValueError(
            f"target {target:g} is within {room:g} of what a constant answer reaches "
            f"({constant:g}): take one {'above' if rises else 'below'} {bound:g}"
        )
