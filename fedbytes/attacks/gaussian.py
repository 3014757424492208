"""Gaussian: attackers send noise."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from fedbytes.attacks.honest_deltas import root_mean_square
from fedbytes.federated import ATTACKS, Attack, Deltas, PluginState, StageContext
from fedbytes.registry import bounded


@ATTACKS.register("gaussian")
@dataclass(frozen=True, kw_only=True)
class Gaussian(Attack):
    """Attackers send noise of `scale` times the size of their honest delta (Blanchard et al. 2017).

    A delta [3, -4] has a root mean square of 3.54; at a scale of 10 its client sends two numbers
    of standard deviation 35.4. Noise of many attackers averages out: of f attackers the mean's
    noise grows by the root of f alone, so the scale has to be found by a pilot run.

    Attributes:
        scale: the noise's standard deviation, in the root mean square of the honest delta.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"scale": 30.0})

    scale: float = bounded(10.0, above=0)

    def act(
        self,
        deltas: Deltas,
        attackers: tuple[int, ...],
        context: StageContext,
        state: PluginState,
    ) -> tuple[Deltas, PluginState]:
        """Put noise in the place of the attackers' deltas."""
        rng = context.rng()
        made = {}
        for client in attackers:
            honest = deltas[client]
            noise = torch.from_numpy(rng.standard_normal(len(honest.delta)))
            spread = self.scale * root_mean_square(honest.delta)
            made[client] = honest.with_delta((spread * noise).float())
        return made, state
