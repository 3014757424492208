"""IPM: attackers send the opposite of the honest mean, so that the inner product turns around."""

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from fedbytes.attacks.honest_deltas import SendAlike, mean_and_deviation
from fedbytes.federated import ATTACKS, StageContext
from fedbytes.registry import bounded


@ATTACKS.register("ipm")
@dataclass(frozen=True, kw_only=True)
class InnerProductManipulation(SendAlike):
    """Attackers send -tau times the mean of honest deltas (Xie et al. 2020, arXiv:1903.03936).

    Of eight honest deltas with mean [1, -2] and two attackers at tau 5 the mean of ten is
    (8 - 2 * 5) / 10 = -0.2 times it. The mean turns around for tau above (n - f) / f, 4 here; a
    small tau, such as 0.5, is for rules that look at distances.

    Attributes:
        tau: the length of what is sent, in that of the honest mean.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"tau": 0.5, "knowledge": "own"})

    tau: float = bounded(5.0, above=0)

    def common_delta(
        self, rows: list[Tensor], attackers: tuple[int, ...], context: StageContext
    ) -> Tensor:
        """Return the opposite of the mean."""
        return -self.tau * mean_and_deviation(rows)[0]
