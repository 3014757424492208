"""The base of attacks that leave the honest mean as far as a condition on distances allows."""

from abc import abstractmethod
from dataclasses import dataclass

from torch import Tensor

from fedbytes.attacks.far_as_honest.direction import AwayFrom, direction_of
from fedbytes.attacks.honest_deltas import SendAlike, mean_and_deviation
from fedbytes.federated import StageContext


@dataclass(frozen=True, kw_only=True)
class FarAsHonest(SendAlike):
    """Attackers send the honest mean and a step along a direction; a derived class says how long.

    Attributes:
        direction: minus the honest `deviation` of each number, minus the `mean`, or its `sign`.
    """

    direction: AwayFrom = "deviation"

    def common_delta(
        self, rows: list[Tensor], attackers: tuple[int, ...], context: StageContext
    ) -> Tensor:
        """Return the mean and the longest step away from it."""
        mean, deviation = mean_and_deviation(rows)
        away = direction_of(self.direction, mean, deviation)
        return mean + self.longest(rows, mean, away) * away

    @abstractmethod
    def longest(self, rows: list[Tensor], mean: Tensor, away: Tensor) -> float:
        """Return how far along `away` [numel], of norm 1 or 0, attackers go from the mean."""
