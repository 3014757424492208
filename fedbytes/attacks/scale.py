"""Scale: attackers make their honest delta so long that it replaces the model."""

from dataclasses import dataclass
from typing import Any, ClassVar

from fedbytes.federated import ATTACKS, Attack, Deltas, PluginState, StageContext
from fedbytes.registry import bounded


@ATTACKS.register("scale")
@dataclass(frozen=True, kw_only=True)
class Scale(Attack):
    """Attackers send their delta times a factor: model replacement (Bagdasaryan et al. 2020).

    arXiv:1807.00459. With ten clients of a round and the factor left to the round, a delta
    [1, -2] becomes [10, -20]: in a mean of ten it counts as if its client were alone. What it was
    trained on decides what that does: join it with an attack on data. Several attackers, or honest
    deltas that are long already, make training diverge.

    Attributes:
        factor: what the delta is multiplied by; None for the number of the round's clients.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"factor": 3.0})

    factor: float | None = bounded(None, above=0)

    def act(
        self,
        deltas: Deltas,
        attackers: tuple[int, ...],
        context: StageContext,
        state: PluginState,
    ) -> tuple[Deltas, PluginState]:
        """Lengthen the attackers' deltas."""
        factor = self.factor or float(len(context.clients))
        return {c: deltas[c].with_delta(factor * deltas[c].delta) for c in attackers}, state
