"""HotFlip: the tokens whose exchange changes the loss most, by its gradient."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from fedbytes.federated.adversarial.victim import TextOutcome, Victim
from fedbytes.federated.adversarial.vocabulary import WordTokens
from fedbytes.federated.plugins.text_attack import TEXT_ATTACKS, WordAttack
from fedbytes.registry import bounded

_Flip = tuple[int, int, int]
"""A piece, a token's place in it, and the token that comes there."""


@TEXT_ATTACKS.register("hotflip")
@dataclass(frozen=True)
class HotFlip(WordAttack):
    """Exchange tokens by the first-order estimate of what that does (Ebrahimi et al. 2018).

    arXiv:1712.06751, over word pieces. Putting token b for a changes the margin by about
    (e_b − e_a) · g, with g its gradient by the embedding at that place: of e_a = [1, 0],
    e_b = [0, 2] and g = [0.5, -1] by −2.5. Each step takes one gradient, tries the `candidates`
    flips of the lowest estimates, and keeps the best of them. Words are flipped to pieces of words
    of the same kind; one that was flipped may be flipped again.

    Attributes:
        candidates: flips that are tried in a step.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"candidates": 2, "queries": 20})

    candidates: int = bounded(16, least=1)

    def attack(self, victim: Victim, rng: np.random.Generator) -> TextOutcome:
        """Flip tokens until the model errs, no flip helps, or the budget is spent."""
        pieces, changed = list(victim.text.pieces), set[int]()
        most, margin = self.most(victim.text), float("inf")
        while margin > 0 and victim.left > 1:
            before, gradient = victim.gradient(victim.join(pieces))
            free = victim.text.words if len(changed) < most else sorted(changed)
            flips = self._best_flips(victim, pieces, free, gradient)
            rows = [_flipped(pieces, flip) for flip in flips]
            found = victim.margins([victim.join(row) for row in rows])
            margin = min(found, default=before)
            if margin >= before:
                margin = before
                break
            best = found.index(margin)
            pieces = rows[best]
            changed.add(flips[best][0])
        return TextOutcome(margin < 0, tuple(victim.join(pieces)), len(changed), victim.queries)

    def _best_flips(
        self, victim: Victim, pieces: Sequence[WordTokens], free: Sequence[int], gradient: Tensor
    ) -> list[_Flip]:
        """Return the flips of the free pieces with the lowest estimates, lowest first."""
        starts = np.cumsum([0, *map(len, pieces)])
        places = [
            (piece, place)
            for piece in free
            for place in range(len(pieces[piece]))
            if starts[piece] + place < len(gradient)
        ]
        if not places:
            return []
        vocabulary, vectors = victim.vocabulary, victim.model.embedding.float()
        at = [int(starts[piece] + place) for piece, place in places]
        own = torch.tensor([pieces[piece][place] for piece, place in places]).to(vectors.device)
        gains = gradient[at] @ vectors[: vocabulary.size].T
        gains -= (gradient[at] * vectors[own]).sum(1, keepdim=True)
        allowed = np.stack([vocabulary.stands_for(int(token)) for token in own])
        gains[~torch.from_numpy(allowed).to(gains.device)] = float("inf")
        count = min(self.candidates, int(allowed.sum()))
        chosen = gains.flatten().topk(count, largest=False).indices.tolist()
        return [(*places[i // gains.shape[1]], i % gains.shape[1]) for i in chosen]


def _flipped(pieces: Sequence[WordTokens], flip: _Flip) -> list[WordTokens]:
    where, place, token = flip
    made = list(pieces)
    made[where] = (*made[where][:place], token, *made[where][place + 1 :])
    return made
