"""The strength of a scheme that gives a wanted heterogeneity, found by bisection."""

import copy
import dataclasses
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from fedbytes.noniid.factor import Factor
from fedbytes.noniid.measures import nmi
from fedbytes.noniid.partition import Partition

if TYPE_CHECKING:
    from fedbytes.noniid.core import Partitioner

_CLOSE = 0.002
_BISECTIONS = 12
_NEIGHBOURS = 28
_STEP = 0.0007


@dataclasses.dataclass(frozen=True)
class Target:
    """The heterogeneity that a partition is to have.

    Attributes:
        nmi: normalised mutual information of factor and client, in (0, 1).
    """

    nmi: float

    def __post_init__(self) -> None:
        if not 0.0 < self.nmi < 1.0:
            raise ValueError(f"target.nmi must be in (0, 1), got {self.nmi}")


@dataclasses.dataclass(frozen=True)
class Strength:
    """The field of a scheme that says how different the clients are.

    Attributes:
        field: its name.
        even, skewed: the ends of the range that is searched.
        log: whether it acts by ratios, so that the search halves its logarithm.
    """

    field: str
    even: float
    skewed: float
    log: bool = False

    def at(self, place: float) -> float:
        """Return the value at a place between `even` (0) and `skewed` (1), to 6 digits."""
        if self.log:
            value = self.even * (self.skewed / self.even) ** place
        else:
            value = self.even + (self.skewed - self.even) * place
        return float(f"{value:.6g}")


def choose(partitioner: Any, default: float) -> None:
    """Give the strength field its default where neither it nor a target is given.

    Raises:
        ValueError: if both are given.
    """
    name = partitioner.strength.field
    value = getattr(partitioner, name)
    if partitioner.target is None and value is None:
        object.__setattr__(partitioner, name, default)
    elif partitioner.target is not None and value is not None:
        raise ValueError(f"give either {name} or target, not both")


def reach(
    partitioner: "Partitioner", factor: Factor, num_clients: int, rng: np.random.Generator
) -> Partition:
    """Return the partition whose NMI is nearest the target's; `found` says what was found.

    Each strength is tried with the same random stream, so the strength that is found, given
    itself, makes the same partition. A draw is noisy in its strength: bisection finds where the
    target is crossed, and then strengths around that are tried. It ends within 0.002 of the
    target, or with the nearest of at most 42 tries.

    Raises:
        ValueError: if the target is out of the range that the scheme reaches for these data.
    """
    strength, wanted = partitioner.strength, float(getattr(partitioner, "target").nmi)  # noqa: B009
    if strength is None:
        raise ValueError(f"partitioner {partitioner.name!r} has a target and no strength")
    best: list[Partition] = []

    def attempt(place: float) -> float:
        value = strength.at(place)
        changed: Any = {strength.field: value, "target": None}
        plain: Partitioner = dataclasses.replace(partitioner, **changed)  # type: ignore[type-var]
        split = plain.assign(factor, num_clients, copy.deepcopy(rng))
        reached = nmi(split.contingency(factor))
        split.found.update({strength.field: value, "nmi": reached})
        if not best or abs(reached - wanted) < abs(best[0].found["nmi"] - wanted):
            best[:] = [split]
        return reached

    def missed() -> bool:
        return abs(best[0].found["nmi"] - wanted) > _CLOSE

    lowest = attempt(0.0)
    highest = lowest if lowest >= wanted else _or_inf(attempt, 1.0)
    if missed() and not lowest < wanted < highest:
        raise ValueError(
            f"target nmi={wanted} is out of reach: over {num_clients} clients of these data and "
            f"with this seed, {partitioner.name} gives "
            + (f"{lowest:.3f} ... {highest:.3f}" if highest < wanted else f"at least {lowest:.3f}")
        )
    even, skewed = 0.0, 1.0
    for _ in range(_BISECTIONS):
        if missed():
            middle = (even + skewed) / 2.0
            if _or_inf(attempt, middle) < wanted:
                even = middle
            else:
                skewed = middle
    for step in range(1, _NEIGHBOURS + 1):
        away = (step + 1) // 2 * _STEP * (1 if step % 2 else -1)
        if missed() and 0.0 < even + away < 1.0:
            _or_inf(attempt, even + away)
    return best[0]


def _or_inf(attempt: Callable[[float], float], place: float) -> float:
    """Return the NMI at a place, infinity where it is too skewed for `min_size`."""
    try:
        return attempt(place)
    except ValueError:
        return math.inf
