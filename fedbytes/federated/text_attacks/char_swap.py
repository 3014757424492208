"""Typing errors: two neighbouring letters of a word change places."""

from dataclasses import dataclass

import numpy as np

from fedbytes.federated.adversarial.victim import TextOutcome, Victim
from fedbytes.federated.adversarial.vocabulary import WordTokens
from fedbytes.federated.adversarial.word_search import replace_words
from fedbytes.federated.plugins.text_attack import TEXT_ATTACKS, WordAttack


@TEXT_ATTACKS.register("char_swap")
@dataclass(frozen=True)
class CharSwap(WordAttack):
    """Swap two neighbouring letters within words, the most important words first.

    The swap of DeepWordBug (Gao et al. 2018, arXiv:1801.04354) by TextFooler's search. The first
    letter stays, as readers need it most: `grain` becomes `garin`, `grian` or `grani`, whichever
    lowers the margin most.
    """

    def attack(self, victim: Victim, rng: np.random.Generator) -> TextOutcome:
        """Swap letters until the model errs or the budget is spent."""

        def swaps(piece: WordTokens) -> list[WordTokens]:
            word = victim.vocabulary.spell(piece)
            return [victim.vocabulary.encode(swap, piece) for swap in inner_swaps(word)]

        return replace_words(victim, self.most(victim.text), swaps)


def inner_swaps(word: str) -> list[str]:
    """Return what a word becomes by a swap of two neighbours after its first letter.

    `boat` gives `baot` and `bota`; equal letters and words of two letters give nothing.
    """
    made = [
        f"{word[:i]}{word[i + 1]}{word[i]}{word[i + 2 :]}"
        for i in range(1, len(word) - 1)
        if word[i] != word[i + 1]
    ]
    return list(dict.fromkeys(made))
