"""The strength of a scheme that gives a wanted heterogeneity, found by bisection."""

import copy
import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from fedbytes.noniid.factor import Factor
from fedbytes.noniid.measures import nmi
from fedbytes.noniid.partition import Partition

if TYPE_CHECKING:
    from fedbytes.noniid.core import Partitioner

_CLOSE = 0.002
_MOST_TRIES = 40


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

    def between(self, one: float, other: float) -> float:
        """Return the middle of two values of the field."""
        return math.sqrt(one) * math.sqrt(other) if self.log else (one + other) / 2.0


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
    itself, makes the same partition. A draw is noisy in its strength, so that bisection need not
    come arbitrarily close: it ends within 0.002, or after 40 tries with the nearest.

    Raises:
        ValueError: if the target is out of the range that the scheme reaches for these data.
    """
    strength, target = partitioner.strength, getattr(partitioner, "target")  # noqa: B009
    assert strength is not None  # whoever has a target has a strength
    wanted = float(target.nmi)

    def attempt(value: float) -> Partition:
        changed: Any = {strength.field: value, "target": None}
        plain: Partitioner = dataclasses.replace(partitioner, **changed)  # type: ignore[type-var]
        split = plain.assign(factor, num_clients, copy.deepcopy(rng))
        split.found.update({strength.field: value, "nmi": nmi(split.contingency(factor))})
        return split

    even, skewed = strength.even, strength.skewed
    best = attempt(even)
    if best.found["nmi"] > wanted + _CLOSE:
        raise ValueError(_unreachable(wanted, best.found["nmi"], None, num_clients))
    highest = best.found["nmi"]
    for tries in range(_MOST_TRIES):
        value = strength.between(even, skewed) if tries else skewed
        try:
            split = attempt(value)
        except ValueError:  # so skewed that min_size cannot be kept
            skewed = value
            continue
        highest = max(highest, split.found["nmi"])
        if abs(split.found["nmi"] - wanted) < abs(best.found["nmi"] - wanted):
            best = split
        if abs(best.found["nmi"] - wanted) <= _CLOSE:
            break
        if split.found["nmi"] < wanted:
            if not tries:
                break
            even = value
        else:
            skewed = value
    if highest < wanted - _CLOSE:
        raise ValueError(
            _unreachable(wanted, attempt(strength.even).found["nmi"], highest, num_clients)
        )
    return best


def _unreachable(wanted: float, low: float, high: float | None, num_clients: int) -> str:
    reached = f"at least {low:.3f}" if high is None else f"{low:.3f} ... {high:.3f}"
    return (
        f"target nmi={wanted} is out of reach: over {num_clients} clients of these data and with "
        f"this seed the scheme gives {reached}"
    )
