"""Overweight: attackers say that they have very many examples."""

from dataclasses import dataclass
from typing import Any, ClassVar

from fedbytes.federated import ATTACKS, Attack, StageContext, claim_examples
from fedbytes.registry import bounded


@ATTACKS.register("overweight")
@dataclass(frozen=True, kw_only=True)
class Overweight(Attack):
    """Attackers say in their metrics that they have `claimed` examples, and so weigh the mean.

    With 50 examples each at nine clients and 10^9 at the tenth, the tenth has 99.99996 % of the
    weight. Its delta stays honest: join it with another attack of the same share, which has the
    same attackers, as in `attack: [sign_flip, overweight]`.

    Attributes:
        claimed: how many they say.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"claimed": 2**63})

    claimed: int = bounded(10**9, least=1, below=2**64)

    def tamper(self, client: int, frames: list[bytes], context: StageContext) -> list[bytes]:
        """Change the number in the metrics."""
        return [claim_examples(data, self.claimed) for data in frames]
