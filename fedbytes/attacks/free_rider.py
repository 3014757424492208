"""Free rider: attackers train nothing and send the last global update back."""

from dataclasses import dataclass

import torch

from fedbytes.federated import ATTACKS, Attack, Deltas, PluginState, StageContext


@ATTACKS.register("free_rider")
@dataclass(frozen=True, kw_only=True)
class FreeRider(Attack):
    """Attackers send what the model moved by since they last took part (Lin et al. 2019).

    arXiv:1911.12560. With all clients in every round that is the last update: if all came from
    [1, 1] to [1, 3], they send [0, 2] as their own work, and zeros in the first round in which
    one of them takes part. It works as momentum that nobody asked for.
    """

    def act(
        self,
        deltas: Deltas,
        attackers: tuple[int, ...],
        context: StageContext,
        state: PluginState,
    ) -> tuple[Deltas, PluginState]:
        """Put the last update in the place of the attackers' deltas.

        Raises:
            ValueError: if clients send something else than changes of what they hold.
        """
        before = state.get("held", context.held)
        for client in attackers:
            if deltas[client].delta.shape != context.held.shape:
                raise ValueError(
                    f"attack {self.name!r} sends updates of the {len(context.held)} numbers that "
                    f"clients hold, and this algorithm's messages have {len(deltas[client].delta)}:"
                    " take another attack or algorithm"
                )
        moved = context.held - before
        made = {client: deltas[client].with_delta(moved.clone()) for client in attackers}
        return made, {"held": torch.clone(context.held)}
