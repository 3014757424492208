"""The base of attacks whose attackers all send one delta, made of the honest ones."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from fedbytes.attacks.honest_deltas.statistics import honest_rows
from fedbytes.federated import Attack, Deltas, PluginState, StageContext


@dataclass(frozen=True, kw_only=True)
class SendAlike(Attack):
    """All attackers of a round send the same delta; a derived class says which."""

    knowledge: Literal["own", "all"] = "all"

    def act(
        self,
        deltas: Deltas,
        attackers: tuple[int, ...],
        context: StageContext,
        state: PluginState,
    ) -> tuple[Deltas, PluginState]:
        """Send the common delta."""
        made = self.common_delta(honest_rows(deltas, attackers), attackers, context).float()
        return {client: deltas[client].with_delta(made) for client in attackers}, state

    @abstractmethod
    def common_delta(
        self, rows: list[Tensor], attackers: tuple[int, ...], context: StageContext
    ) -> Tensor:
        """Return what all attackers send [numel], float64.

        Args:
            rows: the honest deltas that they know of (see `honest_rows`).
            attackers: those who take part in the round.
            context: the round.
        """
