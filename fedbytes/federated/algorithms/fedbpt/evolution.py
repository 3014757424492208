"""An evolution strategy: a normal distribution that moves towards the better of its samples."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Covariance = Literal["none", "diagonal", "full"]


class Shape(ABC):
    """A covariance matrix C, as the numbers of its logarithm.

    Any numbers are the logarithm of some covariance, so that what a codec loses or a mean of
    clients makes of them is one again.
    """

    @property
    @abstractmethod
    def numbers(self) -> Tensor:
        """The logarithm's numbers, float32."""

    @abstractmethod
    def spread(self, z: Tensor) -> Tensor:
        """Return C^(1/2) z for each row of z [rows, n]."""

    @abstractmethod
    def whiten(self, y: Tensor) -> Tensor:
        """Return C^(-1/2) y for each row of y [rows, n]."""

    @abstractmethod
    def learned(self, kept: float, weights: Tensor, vectors: Tensor) -> "Shape":
        """Return kept C + the sum of weights[i] v vᵀ over the rows v of `vectors` [rows, n]."""


class Sphere(Shape):
    """The identity, which learns nothing."""

    numbers = torch.empty(0)

    def spread(self, z: Tensor) -> Tensor:
        """Return z."""
        return z

    def whiten(self, y: Tensor) -> Tensor:
        """Return y."""
        return y

    def learned(self, kept: float, weights: Tensor, vectors: Tensor) -> Shape:
        """Return the identity."""
        return self


class Diagonal(Shape):
    """Variances alone (sep-CMA-ES, Ros and Hansen 2008, doi 10.1007/978-3-540-87700-4_30)."""

    def __init__(self, numbers: Tensor) -> None:
        self._log = numbers.double()

    @property
    def numbers(self) -> Tensor:
        """Logarithms of the variances."""
        return self._log.float()

    def spread(self, z: Tensor) -> Tensor:
        """Return z times the deviations."""
        return z * (self._log / 2).exp().float()

    def whiten(self, y: Tensor) -> Tensor:
        """Return y over the deviations."""
        return y * (-self._log / 2).exp().float()

    def learned(self, kept: float, weights: Tensor, vectors: Tensor) -> Shape:
        """Return the variances with squares added."""
        added = weights.double() @ vectors.double().square()
        return Diagonal((kept * self._log.exp() + added).log())


class FullCovariance(Shape):
    """A whole matrix; of its logarithm the lower triangle is held."""

    def __init__(self, numbers: Tensor) -> None:
        count = (math.isqrt(8 * len(numbers) + 1) - 1) // 2
        lower = torch.zeros(count, count, dtype=torch.float64)
        rows, columns = torch.tril_indices(count, count)
        lower[rows, columns] = numbers.double()
        self._values, self._basis = torch.linalg.eigh(lower)  # reads the lower triangle

    @property
    def numbers(self) -> Tensor:
        """The lower triangle of the matrix logarithm, row by row."""
        return _triangle(self._made(self._values)).float()

    def spread(self, z: Tensor) -> Tensor:
        """Return z times the symmetric root."""
        return z @ self._made((self._values / 2).exp()).float()

    def whiten(self, y: Tensor) -> Tensor:
        """Return y times the root's inverse."""
        return y @ self._made((-self._values / 2).exp()).float()

    def learned(self, kept: float, weights: Tensor, vectors: Tensor) -> Shape:
        """Return the matrix with outer products added."""
        rows = vectors.double()
        matrix = kept * self._made(self._values.exp()) + (rows.T * weights.double()) @ rows
        values, basis = torch.linalg.eigh(matrix)
        least = values[-1] * torch.finfo(torch.float64).eps
        return FullCovariance(_triangle((basis * values.clamp(min=least).log()) @ basis.T))

    def _made(self, values: Tensor) -> Tensor:
        made: Tensor = (self._basis * values) @ self._basis.T
        return made


def _triangle(matrix: Tensor) -> Tensor:
    rows, columns = torch.tril_indices(*matrix.shape)
    return matrix[rows, columns]


def size_of(covariance: Covariance, count: int) -> int:
    """Return how many numbers a covariance of `count` dimensions has."""
    return {"none": 0, "diagonal": count, "full": count * (count + 1) // 2}[covariance]


def shape_of(covariance: Covariance, numbers: Tensor) -> Shape:
    """Return the covariance whose logarithm has these numbers; zeros are the identity."""
    if covariance == "none":
        return Sphere()
    return Diagonal(numbers) if covariance == "diagonal" else FullCovariance(numbers)


class Rates:
    """The constants of CMA-ES for a population of which half are parents.

    From Hansen 2016 (arXiv 1604.00772), without negative weights. A diagonal has few enough numbers
    to learn (n + 2) / 3 times as fast (Ros and Hansen 2008).
    """

    def __init__(self, population: int, count: int, covariance: Covariance = "none") -> None:
        kept = population // 2
        raw = [math.log((population + 1) / 2) - math.log(i + 1) for i in range(kept)]
        self.weights = [w / sum(raw) for w in raw]
        self.effective = 1 / sum(w * w for w in self.weights)
        self.rate = (self.effective + 2) / (count + self.effective + 5)
        self.push = math.sqrt(self.rate * (2 - self.rate) * self.effective)
        extra = max(0.0, math.sqrt((self.effective - 1) / (count + 1)) - 1)
        self.damping = 1 + 2 * extra + self.rate
        self.usual = math.sqrt(count) * (1 - 1 / (4 * count) + 1 / (21 * count * count))
        self.longest = (1.4 + 2 / (count + 1)) * self.usual
        share = self.effective / count
        self.path_rate = (4 + share) / (count + 4 + 2 * share)
        self.path_push = math.sqrt(self.path_rate * (2 - self.path_rate) * self.effective)
        faster = (count + 2) / 3 if covariance == "diagonal" else 1.0
        self.one = min(1.0, faster * 2 / ((count + 1.3) ** 2 + self.effective))
        many = 2 * (self.effective - 2 + 1 / self.effective) / ((count + 2) ** 2 + self.effective)
        self.many = min(1 - self.one, faster * many)


@dataclass(frozen=True)
class Paths:
    """Where the mean went lately: in steps of the whitened space and of the real one, [n] each."""

    step: Tensor
    shape: Tensor
    generation: int = 0


@dataclass(frozen=True)
class SearchGeneration:
    """What a generation's parents make of the distribution.

    Attributes:
        moved: how far the mean goes, in step sizes [n].
        factor: of the step size.
        shape: the covariance after.
        paths: the paths after.
    """

    moved: Tensor
    factor: float
    shape: Shape
    paths: Paths


def evolve(rates: Rates, shape: Shape, paths: Paths, z: Tensor, y: Tensor) -> SearchGeneration:
    """Return what the parents make of the distribution that they were drawn from.

    Args:
        rates: constants.
        shape: the covariance C.
        paths: of the generations before.
        z: the parents, best first, as drawn from N(0, I) [parents, n].
        y: the same as `shape.spread` made them.
    """
    weights, generation = torch.tensor(rates.weights, dtype=torch.float32), paths.generation + 1
    moved = weights @ y
    step = (1 - rates.rate) * paths.step + rates.push * (weights @ z)
    length = float(step.norm())
    factor = math.exp(rates.rate / rates.damping * (length / rates.usual - 1))
    # A path still short of its usual length tells little; one too long, of a step size to grow.
    whole = math.sqrt(1 - (1 - rates.rate) ** (2 * generation))
    calm = length / whole < rates.longest
    path = (1 - rates.path_rate) * paths.shape + calm * rates.path_push * moved
    lost = 0.0 if calm else rates.one * rates.path_rate * (2 - rates.path_rate)
    shares = torch.cat([torch.tensor([rates.one]), rates.many * weights])
    after = shape.learned(1 - rates.one - rates.many + lost, shares, torch.cat([path[None], y]))
    return SearchGeneration(moved, factor, after, Paths(step, path, generation))
