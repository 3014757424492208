"""Projected gradient descent on a text's embeddings."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fedbytes.federated.adversarial.perturbation import Perturbation
from fedbytes.federated.adversarial.victim import TextOutcome, Victim
from fedbytes.federated.plugins.text_attack import TEXT_ATTACKS, TextAttack
from fedbytes.registry import bounded


@TEXT_ATTACKS.register("pgd")
@dataclass(frozen=True)
class PGDOnEmbeddings(TextAttack):
    """Shift a text's embeddings down the margin, within a ball (Madry et al. 2018).

    arXiv:1706.06083. No text has the embeddings that it ends at: it bounds from above what
    changing words by as much could do. At `eps` 0.3 a text whose embeddings have norm 10 together
    is shifted by at most 3.

    Attributes:
        eps: radius, in L2 norms of the text's embeddings.
        steps: gradients that it takes at most.
        alpha: length of a step, in the same unit; None for 2 eps / steps.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"eps": 0.1, "steps": 3, "alpha": 0.05})

    eps: float = bounded(0.05, least=0)
    steps: int = bounded(10, least=1)
    alpha: float | None = bounded(None, above=0)

    def attack(self, victim: Victim, rng: np.random.Generator) -> TextOutcome:
        """Step until the model errs or the steps are taken."""
        step = 2 * self.eps / self.steps if self.alpha is None else self.alpha
        shift, fooled = Perturbation(self.eps, rng), False
        for _ in range(self.steps):
            if fooled or victim.left < 2:  # one for where it ends
                break
            margin = victim.shifted_margin(shift)
            fooled = float(margin.detach()) < 0
            if not fooled:
                shift.climb_loss(-margin, step)
        if not fooled and victim.left:
            fooled = float(victim.shifted_margin(shift).detach()) < 0
        return TextOutcome(fooled, None, 0, victim.queries)
