"""Words replaced by others whose embeddings are near."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F

from fedbytes.federated.adversarial.victim import TextOutcome, Victim
from fedbytes.federated.adversarial.vocabulary import WordTokens
from fedbytes.federated.adversarial.word_search import replace_words
from fedbytes.federated.plugins.text_attack import TEXT_ATTACKS, WordAttack
from fedbytes.registry import bounded


@TEXT_ATTACKS.register("neighbours")
@dataclass(frozen=True)
class Neighbours(WordAttack):
    """Replace words by their nearest neighbours, the most important words first.

    TextFooler's search (Jin et al. 2020, arXiv:1907.11932) without its resources: neighbours are
    tokens of the model's own vocabulary by the cosine of its input embeddings, where the paper has
    synonym vectors, a tagger and a sentence encoder. A word of several tokens has their mean. For
    [1, 0], of [0.9, 0.1], [0, 1] and [-1, 0] the first is nearest.

    Attributes:
        nearest: how many neighbours of a word are tried.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"nearest": 3, "words": 0.5})

    nearest: int = bounded(10, least=1)

    def attack(self, victim: Victim, rng: np.random.Generator) -> TextOutcome:
        """Replace words until the model errs or the budget is spent."""
        return replace_words(
            victim, self.most(victim.text), lambda piece: self._neighbours(victim, piece)
        )

    def _neighbours(self, victim: Victim, piece: WordTokens) -> Sequence[WordTokens]:
        vocabulary = victim.vocabulary
        vectors = F.normalize(victim.model.embedding[: vocabulary.size].float(), dim=1)
        near = vectors @ vectors[list(piece)].mean(0)
        allowed = torch.from_numpy(vocabulary.stands_for(piece[0]))
        near[~allowed.to(near.device)] = float("-inf")
        count = min(self.nearest, int(allowed.sum()))
        return [(int(token),) for token in near.topk(count).indices.tolist()]
