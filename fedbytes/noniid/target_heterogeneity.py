"""Solves for the strength of a scheme that gives a wanted heterogeneity, by bisection."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

from fedbytes.noniid.partition import Partition
from fedbytes.plugin_fields import bounded, check_bounds

_CLOSE = 0.002
_BISECTIONS = 12
_NEIGHBOURS = 28
_STEP = 0.0007


@dataclasses.dataclass(frozen=True)
class HeterogeneityTarget:
    """The heterogeneity that a partition is to have.

    Attributes:
        nmi: normalised mutual information of factor and client, in (0, 1).
    """

    nmi: float = bounded(above=0, below=1)

    def __post_init__(self) -> None:
        check_bounds(self, "target.")


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

    def at(self, position: float) -> float:
        """Return the value at a position between `even` (0) and `skewed` (1), to 6 digits."""
        if self.log:
            value = self.even * (self.skewed / self.even) ** position
        else:
            value = self.even + (self.skewed - self.even) * position
        return float(f"{value:.6g}")


def set_default_strength(partitioner: Any, default: float) -> None:
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


def solve_strength(
    strength: Strength, target: HeterogeneityTarget, split: Callable[[float], Partition]
) -> Partition:
    """Return the partition whose NMI is nearest the target's; `solved` has the strength and NMI.

    A draw is noisy in its strength: bisection finds where the target is crossed, and then
    strengths around that are tried. It ends within 0.002 of the target, or with the nearest of at
    most 42 tries.

    Args:
        strength: the field that is searched.
        target: the NMI that is wanted.
        split: the partition at a value of that field, with its NMI in `solved`. Each call must use
            the same random stream, so that the solution, given as that field, makes the same
            partition.

    Raises:
        ValueError: if the target is outside the range of the scheme for these data.
    """
    search = _Search(strength, target.nmi, split)
    search.try_ends()
    even, skewed = 0.0, 1.0
    for _ in range(_BISECTIONS):
        middle = (even + skewed) / 2.0
        if search.missed and search.attempt(middle) < search.wanted:
            even = middle
        else:
            skewed = middle
    for step in range(1, _NEIGHBOURS + 1):
        position = even + (step + 1) // 2 * _STEP * (1 if step % 2 else -1)
        if search.missed and 0.0 < position < 1.0:
            search.attempt(position)
    return search.best


class _Search:
    """Splits by strengths at positions between the even end, 0, and the skewed one, 1."""

    best: Partition

    def __init__(
        self, strength: Strength, wanted: float, split: Callable[[float], Partition]
    ) -> None:
        self.strength, self.wanted, self.split = strength, float(wanted), split

    @property
    def missed(self) -> bool:
        """Whether no split so far is near enough."""
        return abs(self.best.solved["nmi"] - self.wanted) > _CLOSE

    def try_ends(self) -> None:
        """Try both ends, and refuse a target that is not between them."""
        self.best = self._split(0.0)
        lowest = self.best.solved["nmi"]
        highest = lowest if lowest >= self.wanted else self.attempt(1.0)
        if not self.missed or lowest < self.wanted < highest:
            return
        reached = (
            f"{lowest:.3f} ... {highest:.3f}" if highest < self.wanted else f"at least {lowest:.3f}"
        )
        raise ValueError(
            f"target nmi={self.wanted} is out of reach: over {self.best.num_clients} clients of "
            f"these data and with this seed, the scheme gives {reached}"
        )

    def attempt(self, position: float) -> float:
        """Return the NMI at a position, infinity where it is too skewed for `min_size`."""
        try:
            split = self._split(position)
        except ValueError:
            return math.inf
        if abs(split.solved["nmi"] - self.wanted) < abs(self.best.solved["nmi"] - self.wanted):
            self.best = split
        return split.solved["nmi"]

    def _split(self, position: float) -> Partition:
        value = self.strength.at(position)
        split = self.split(value)
        split.solved[self.strength.field] = value
        return split
