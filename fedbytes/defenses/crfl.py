"""CRFL: the model's norm is bounded and noise is added to it, after each round."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from fedbytes.defenses.robust_math.counted_rule import all_send, deltas_of
from fedbytes.defenses.robust_math.gram_matrix import mean_of
from fedbytes.federated import DEFENSES, Defense, PluginState, StageContext, Upload
from fedbytes.registry import bounded


@DEFENSES.register("crfl")
@dataclass(frozen=True)
class Crfl(Defense):
    """Bound the trained vector's norm and add noise to it (Xie et al. 2021, arXiv:2106.08283).

    What is held plus the mean of the deltas, each client counted once, is cut to the norm `clip`,
    and each number gets noise of standard deviation `sigma`. A vector of norm 5 at `clip: 4` is
    multiplied by 0.8. However many attack, the trained vector stays within `clip`.

    It is the paper's training where the server adds the mean as it is, as `fedavg` does; the vote
    over noisy copies of the model at test time is left out, and its certificate with it.

    Attributes:
        clip: the largest norm of the trained vector.
        sigma: the standard deviation of the noise; 0 for none.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"clip": 20.0, "sigma": 0.0})

    clip: float = bounded(100.0, above=0)
    sigma: float = bounded(0.001, least=0)

    def uploads(
        self, uploads: list[Upload], context: StageContext, state: PluginState
    ) -> tuple[list[Upload], PluginState]:
        """Put the way to the bounded, noisy vector in the place of every delta."""
        held, mean = context.held.double(), mean_of(deltas_of(uploads)).double()
        if held.shape != mean.shape:
            raise ValueError(
                f"defense {self.name!r} bounds the vector that clients hold, of {len(held)} "
                f"numbers, and they send changes of {len(mean)}: take another algorithm or defense"
            )
        moved = held + mean
        moved *= min(1.0, self.clip / max(float(torch.linalg.vector_norm(moved)), math.ulp(0.0)))
        if self.sigma:
            moved += torch.from_numpy(self.sigma * context.rng().standard_normal(len(moved)))
        return all_send(uploads, (moved - held).float()), state
