"""Min-sum: attackers are no further from honest clients in sum than honest ones are."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from fedbytes.attacks.far_as_honest import FarAsHonest
from fedbytes.federated import ATTACKS


@ATTACKS.register("min_sum")
@dataclass(frozen=True, kw_only=True)
class MinSum(FarAsHonest):
    """Leave the honest mean as far as squared distances sum up to no more than an honest client's.

    Shejwalkar and Houmansadr 2021 (NDSS). Attackers send mean + g d for a direction d and the
    largest g with sum_i |mean + g d - x_i|^2 <= max_i sum_j |x_i - x_j|^2. Of honest deltas [0] and
    [2] the bound is 4 and the mean 1: 2 + 2 g^2 <= 4 gives g = 1. The sum around the mean is that
    of the mean and m g^2 for m honest clients, so g is exact, where the paper bisects.

    Attributes:
        direction: minus the honest `deviation` of each number, minus the `mean`, or its `sign`.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {},
        {"direction": "mean", "knowledge": "own", "share": 0.3},
    )

    def longest(self, rows: list[Tensor], mean: Tensor, away: Tensor) -> float:
        """Return the largest g."""
        return longest_sum(rows, mean)


def longest_sum(rows: list[Tensor], mean: Tensor) -> float:
    """Return how far from the mean [numel] the sum of squares reaches the largest of the rows."""
    # sum_j |x_i - x_j|^2 = sum_j |x_j - mean|^2 + m |x_i - mean|^2, so the bound is the farthest's
    return max(float(torch.linalg.vector_norm(row - mean)) for row in rows)
