"""Words left out."""

from dataclasses import dataclass

import numpy as np

from fedbytes.federated.adversarial.victim import TextOutcome, Victim
from fedbytes.federated.adversarial.word_search import replace_words
from fedbytes.federated.plugins.text_attack import TEXT_ATTACKS, WordAttack


@TEXT_ATTACKS.register("word_drop")
@dataclass(frozen=True)
class WordDrop(WordAttack):
    """Leave words out, those first without which the margin is lowest.

    It adds nothing to a text, so it shows how few words a decision hangs on. Of `oil prices rose
    sharply`, margins without each word of 0.2, 1.1, 2.0 and 2.1 leave `oil` out first.
    """

    def attack(self, victim: Victim, rng: np.random.Generator) -> TextOutcome:
        """Leave words out until the model errs or the budget is spent."""
        return replace_words(victim, self.most(victim.text), lambda _: [()])
