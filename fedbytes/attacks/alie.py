"""ALIE: attackers stay within the spread of honest deltas, all on the same side of it."""

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, ClassVar, Literal

from fedbytes.attacks.honest_deltas import honest_rows, mean_and_deviation, send_alike
from fedbytes.federated import ATTACKS, Attack, Deltas, PluginState, StageContext
from fedbytes.registry import bounded


@ATTACKS.register("alie")
@dataclass(frozen=True, kw_only=True)
class ALittleIsEnough(Attack):
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
    knowledge: Literal["own", "all"] = "all"

    def act(
        self,
        deltas: Deltas,
        attackers: tuple[int, ...],
        context: StageContext,
        state: PluginState,
    ) -> tuple[Deltas, PluginState]:
        """Send the mean less z deviations."""
        mean, deviation = mean_and_deviation(honest_rows(deltas, attackers))
        z = largest_z(len(context.clients), len(attackers)) if self.z is None else self.z
        return send_alike(deltas, attackers, mean - z * deviation), state


def largest_z(clients: int, attackers: int) -> float:
    """Return the paper's z of a round.

    Where attackers are a majority by themselves, nobody needs to be further away: it is that of one
    honest client. Below 0, of very few attackers, it is 0.
    """
    honest = clients - attackers
    needed = max(1, clients // 2 + 1 - attackers)
    share = (honest - needed) / honest if honest > 1 else 0.5
    return max(0.0, NormalDist().inv_cdf(share)) if share > 0 else 0.0
