"""Sign flip: attackers send the opposite of what they trained."""

from dataclasses import dataclass
from typing import Any, ClassVar

from fedbytes.federated import ATTACKS, Attack, Deltas, PluginState, StageContext
from fedbytes.registry import bounded


@ATTACKS.register("sign_flip")
@dataclass(frozen=True, kw_only=True)
class SignFlip(Attack):
    """Attackers send -scale times their honest delta (Li et al. 2019, RSA, arXiv:1811.03761).

    A delta [1, -2] becomes [-5, 10] at a scale of 5. Of ten clients with equal deltas d, two of
    whom attack at that scale, the mean is (8 d - 2 * 5 d) / 10 = -0.2 d: the model moves away. A
    scale below (1 - share) / share, 4 here, slows training without turning it around.

    Attributes:
        scale: the length of what is sent, in that of the honest delta.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"scale": 5.0, "share": 0.3})

    scale: float = bounded(1.0, above=0)

    def act(
        self,
        deltas: Deltas,
        attackers: tuple[int, ...],
        context: StageContext,
        state: PluginState,
    ) -> tuple[Deltas, PluginState]:
        """Turn the attackers' deltas around."""
        flipped = {c: deltas[c].with_delta(-self.scale * deltas[c].delta) for c in attackers}
        return flipped, state
