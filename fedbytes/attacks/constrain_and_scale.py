"""Constrain and scale: attackers stay near the model as they train, and lengthen what they send."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from fedbytes.federated import (
    ATTACKS,
    Attack,
    Deltas,
    LossOf,
    PluginState,
    StageContext,
)
from fedbytes.registry import bounded


@ATTACKS.register("constrain_and_scale")
@dataclass(frozen=True, kw_only=True)
class ConstrainAndScale(Attack):
    """Attackers add their distance to the model to the loss, then scale (Bagdasaryan et al. 2020).

    arXiv:1807.00459. They minimise `alpha` times the loss plus 1 - `alpha` times how much longer
    their change is than the last global update, as a multiple of that; before the first update it
    is the length itself. A change of length 3 after an update of length 2 at `alpha: 0.9` adds
    0.05. What they send is multiplied by `factor`: with 4 of 20 clients hostile, and the factor
    left to the round, by 5, so that in the mean it counts as if they were alone. Join it with an
    attack on data of the same share.

    Attributes:
        alpha: the weight of the loss.
        factor: what the delta is multiplied by; None for the round's clients by its attackers.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"alpha": 0.5, "factor": 2.0})

    alpha: float = bounded(0.9, above=0, most=1)
    factor: float | None = bounded(None, above=0)

    def loss(self, loss: LossOf, context: StageContext) -> LossOf:
        """Return the loss with the distance."""
        usual = 0.0 if context.moved is None else _norm(context.moved)
        flat: Tensor = context.model.flat
        held = context.held.to(flat.device)

        def constrained(batch: Any) -> Tensor:
            value = loss(batch)
            moved = flat - held
            length = moved.detach().double().norm()
            if self.alpha == 1 or float(length) <= usual:
                return self.alpha * value
            direction = (moved.detach() / length).to(moved.dtype)
            longer = (torch.dot(moved, direction) - usual) / (usual or 1.0)
            return self.alpha * value + (1 - self.alpha) * longer

        return constrained

    def act(
        self,
        deltas: Deltas,
        attackers: tuple[int, ...],
        context: StageContext,
        state: PluginState,
    ) -> tuple[Deltas, PluginState]:
        """Lengthen the attackers' deltas."""
        factor = self.factor or len(context.clients) / len(attackers)
        return {c: deltas[c].with_delta(factor * deltas[c].delta) for c in attackers}, state


def _norm(vector: Tensor) -> float:
    return float(torch.linalg.vector_norm(vector, dtype=torch.float64))
