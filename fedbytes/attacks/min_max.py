"""Min-max: attackers go as far as the two honest clients that are furthest apart."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from fedbytes.attacks.far_as_honest import FarAsHonest
from fedbytes.federated import ATTACKS


@ATTACKS.register("min_max")
@dataclass(frozen=True, kw_only=True)
class MinMax(FarAsHonest):
    """Leave the honest mean as far as no honest delta is further away than any two are apart.

    Shejwalkar and Houmansadr 2021 (NDSS). Attackers send mean + g d for a direction d and the
    largest g with max_i |mean + g d - x_i| <= max_ij |x_i - x_j|. Of honest deltas [0] and [2] the
    mean is 1 and the bound 2, so they send 0 at least: d = [-1] and g = 1. The paper bisects; here
    g is the smallest root of a square for each i, and exact.

    Attributes:
        direction: minus the honest `deviation` of each number, minus the `mean`, or its `sign`.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {},
        {"direction": "sign", "knowledge": "own", "share": 0.3},
    )

    def longest(self, rows: list[Tensor], mean: Tensor, away: Tensor) -> float:
        """Return the largest g."""
        return longest_step(rows, mean, away)


def longest_step(rows: list[Tensor], mean: Tensor, away: Tensor) -> float:
    """Return how far along `away` [numel], of norm 1, all rows are within the rows' diameter."""
    offsets = torch.stack(rows).double() - mean
    products = offsets @ offsets.T
    squares = products.diagonal()
    bound = float((squares[:, None] + squares - 2 * products).max())
    steps = []
    for square, along in zip(squares.tolist(), (offsets @ away).tolist(), strict=True):
        steps.append(along + math.sqrt(max(0.0, along**2 + bound - square)))
    shortest: float = min(steps)
    return max(0.0, shortest)
