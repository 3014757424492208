"""Same value: attackers send one number everywhere."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from fedbytes.attacks.honest_deltas import root_mean_square
from fedbytes.federated import ATTACKS, Attack, Deltas, PluginState, StageContext
from fedbytes.registry import bounded


@ATTACKS.register("same_value")
@dataclass(frozen=True, kw_only=True)
class SameValue(Attack):
    """Attackers send one value in every coordinate (Li et al. 2019, RSA, arXiv:1811.03761).

    The value is `scale` times the root mean square of the honest delta, so that what is sent is so
    many times as long: [3, -4], of norm 5, becomes [35.4, 35.4], of norm 50, at a scale of 10.

    Attributes:
        scale: the length of what is sent, in that of the honest delta.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"scale": 100.0})

    scale: float = bounded(10.0, above=0)

    def act(
        self,
        deltas: Deltas,
        attackers: tuple[int, ...],
        context: StageContext,
        state: PluginState,
    ) -> tuple[Deltas, PluginState]:
        """Put one value in the place of each of the attackers' numbers."""
        made = {}
        for client in attackers:
            honest = deltas[client]
            value = self.scale * root_mean_square(honest.delta)
            made[client] = honest.with_delta(torch.full_like(honest.delta, value))
        return made, state
