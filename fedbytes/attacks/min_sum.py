"""Min-sum: attackers are no further from honest clients in sum than honest ones are."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from fedbytes.attacks.far_as_honest import AwayFrom, direction_of
from fedbytes.attacks.honest_deltas import honest_rows, mean_and_deviation, send_alike
from fedbytes.federated import ATTACKS, Attack, Deltas, PluginState, StageContext


@ATTACKS.register("min_sum")
@dataclass(frozen=True, kw_only=True)
class MinSum(Attack):
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

    direction: AwayFrom = "deviation"
    knowledge: Literal["own", "all"] = "all"

    def act(
        self,
        deltas: Deltas,
        attackers: tuple[int, ...],
        context: StageContext,
        state: PluginState,
    ) -> tuple[Deltas, PluginState]:
        """Send the mean and the longest step away from it."""
        rows = honest_rows(deltas, attackers)
        mean, deviation = mean_and_deviation(rows)
        away = direction_of(self.direction, mean, deviation)
        return send_alike(deltas, attackers, mean + longest_sum(rows, mean) * away), state


def longest_sum(rows: list[Tensor], mean: Tensor) -> float:
    """Return how far from the mean [numel] the sum of squares reaches the largest of the rows."""
    # sum_j |x_i - x_j|^2 = sum_j |x_j - mean|^2 + m |x_i - mean|^2, so the bound is the farthest's
    return max(float(torch.linalg.vector_norm(row - mean)) for row in rows)
