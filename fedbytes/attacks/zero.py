"""Zero: attackers send nothing but zeros."""

from dataclasses import dataclass

import torch

from fedbytes.federated import ATTACKS, Attack, Deltas, PluginState, StageContext


@ATTACKS.register("zero")
@dataclass(frozen=True, kw_only=True)
class Zero(Attack):
    """Attackers send a delta of zeros: they take part and hold training up.

    A delta [3, -4] becomes [0, 0]. With two of ten clients the mean is four fifths as long.
    """

    def act(
        self,
        deltas: Deltas,
        attackers: tuple[int, ...],
        context: StageContext,
        state: PluginState,
    ) -> tuple[Deltas, PluginState]:
        """Put zeros in the place of the attackers' deltas."""
        made = {c: deltas[c].with_delta(torch.zeros_like(deltas[c].delta)) for c in attackers}
        return made, state
