"""ALIE: attackers stay within the spread of honest deltas, all on the same side of it."""

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, ClassVar

from torch import Tensor

from fedbytes.attacks.honest_deltas import SendAlike, mean_and_deviation
from fedbytes.federated import ATTACKS, StageContext
from fedbytes.registry import bounded


@ATTACKS.register("alie")
@dataclass(frozen=True, kw_only=True)
class ALittleIsEnough(SendAlike):
    """Attackers send the honest mean less z standard deviations of each number.

    Baruch et al. 2019 (arXiv:1902.06156). Of honest numbers with mean 3 and deviation 2 they send
    3 - 2 z. The paper's z is the largest that leaves, with the attackers, a majority beyond it: of
    n clients of the round and f attackers, s = floor(n / 2 + 1) - f honest ones have to be further
    away, and z is the quantile of (n - f - s) / (n - f). Of 50 and 24 it is 1.43, of 20 and 4 it is
    0.16, and of 10 and 2 it is 0: with few attackers it does little.

    Attributes:
        z: the deviations, instead of the paper's.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"z": 1.5, "knowledge": "own"})

    z: float | None = bounded(None, least=0)

    def common_delta(
        self, rows: list[Tensor], attackers: tuple[int, ...], context: StageContext
    ) -> Tensor:
        """Return the mean less z deviations."""
        mean, deviation = mean_and_deviation(rows)
        z = largest_z(len(context.clients), len(attackers)) if self.z is None else self.z
        return mean - z * deviation


def largest_z(clients: int, attackers: int) -> float:
    """Return the paper's z of a round.

    Where attackers are a majority by themselves, nobody needs to be further away: it is that of one
    honest client. Below 0, of very few attackers, it is 0.
    """
    honest = clients - attackers
    needed = max(1, clients // 2 + 1 - attackers)
    share = (honest - needed) / honest if honest > 1 else 0.5
    return max(0.0, NormalDist().inv_cdf(share)) if share > 0 else 0.0
