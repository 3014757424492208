"""Suffixes that make a causal language model write what one wants."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fedbytes.federated.adversarial.victim import batch_rows, vocabulary_of
from fedbytes.models import ContinuedScores

_ROWS = 16
"""Candidates that are scored at once."""


@dataclass(frozen=True)
class Suffix:
    """A suffix that was found.

    Attributes:
        tokens: the suffix.
        loss: of the target after it, nats a token.
        losses: the best loss after each step, the first before any.
        reached: whether the target is what the model writes, greedily.
        queries: how many texts and gradients the model was asked for.
    """

    tokens: tuple[int, ...]
    loss: float
    losses: tuple[float, ...]
    reached: bool
    queries: int


def find_suffix(
    model: Any,
    prompt: Sequence[int],
    target: Sequence[int],
    rng: np.random.Generator,
    *,
    after: Sequence[int] = (),
    length: int = 20,
    candidates: int = 64,
    steps: int = 50,
    top: int = 64,
    start: Sequence[int] = (),
    queries: int | None = None,
) -> Suffix:
    """Search a suffix of a prompt after which a model writes a target: GCG (Zou et al. 2023).

    arXiv:2307.15043. Each step takes the gradient of the target's loss by which token stands at
    each place, draws `candidates` exchanges of one token, each among the `top` of the lowest
    gradient at a place, and keeps the best if it is better. It ends as soon as the target is
    reached. With 20 tokens, 64 candidates and 50 steps that is up to 3,251 queries.

    Args:
        model: a causal-lm `TrainableModel`.
        prompt: the tokens before the suffix.
        target: the tokens that are to follow.
        rng: draws the start, where none is given, and the candidates.
        after: tokens between suffix and target, such as those that open an answer.
        length: tokens of the suffix.
        candidates: exchanges that are tried in a step.
        steps: how many steps at most.
        top: how many tokens of a place candidates are drawn from.
        start: the suffix to begin with, of any length, instead of a random one.
        queries: how many texts and gradients the model may be asked for; None for any.

    Raises:
        ValueError: for a model that is no causal language model, or an empty target.
    """
    if model.task.kind != "causal-lm":
        raise ValueError(
            f"a suffix is searched for a causal-lm model, got one of a {model.task.kind} task"
        )
    if not len(target):
        raise ValueError("the target has no tokens: give what the model is to write")
    usable = np.flatnonzero(vocabulary_of(model).spells)
    suffix = list(start) or rng.choice(usable, length).tolist()
    search = _Search(model, list(prompt), list(after), list(target))
    loss, reached = search.score([suffix])[0]
    losses = [loss]
    for _ in range(steps):
        left = candidates if queries is None else min(candidates, queries - search.queries - 1)
        if reached or left < 1:
            break
        best = search.gradient(suffix)[:, torch.from_numpy(usable)].topk(
            min(top, len(usable)), dim=1, largest=False
        )
        rows = []
        for place in rng.integers(len(suffix), size=left).tolist():
            token = usable[int(best.indices[place, int(rng.integers(best.indices.shape[1]))])]
            rows.append([*suffix[:place], int(token), *suffix[place + 1 :]])
        scored = search.score(rows)
        found = min(range(len(rows)), key=lambda i: scored[i])
        if scored[found][0] < loss:
            suffix, (loss, reached) = rows[found], scored[found]
        losses.append(loss)
    return Suffix(tuple(suffix), loss, tuple(losses), reached, search.queries)


class _Search:
    """Loss and gradient of a target after suffixes of one prompt."""

    def __init__(self, model: Any, prompt: list[int], after: list[int], target: list[int]) -> None:
        self.model, self.prompt, self.after, self.target = model, prompt, after, target
        self.queries = 0
        self.continued = ContinuedScores(model, prompt)

    def score(self, suffixes: list[list[int]]) -> list[tuple[float, bool]]:
        """Return the target's loss after each suffix, and whether it would be written."""
        self.queries += len(suffixes)
        found: list[tuple[float, bool]] = []
        with torch.inference_mode():
            for first in range(0, len(suffixes), _ROWS):
                scores = self._scores_after(suffixes[first : first + _ROWS])
                losses = self._losses(scores)
                hit = (scores.argmax(-1) == self._targets(len(scores))).all(1)
                found += zip(losses.tolist(), hit.tolist(), strict=True)
        return found

    def gradient(self, suffix: list[int]) -> Tensor:
        """Return the gradient of the loss by the token at each place [length, vocabulary]."""
        self.queries += 1
        leaf: list[Tensor] = []

        def watch(inputs: Tensor, _mask: Tensor) -> Tensor:
            leaf.append(inputs.detach().requires_grad_())
            return leaf[0]

        with self.model.shifted_inputs(watch):
            loss = self._losses(self._scores([suffix])).sum()
        (gradient,) = torch.autograd.grad(loss, leaf[0])
        place = len(self.prompt)
        own = gradient[0, place : place + len(suffix)].float()
        slopes: Tensor = (own @ self.model.embedding.float().T).cpu()
        return slopes

    def _scores(self, suffixes: list[list[int]]) -> Tensor:
        """Return the scores of the target's tokens [rows, target, vocabulary]."""
        rows = [[*self.prompt, *suffix, *self.after, *self.target] for suffix in suffixes]
        before = len(rows[0]) - len(self.target) - 1
        tokens, mask = batch_rows(rows, self.model.device)
        scores: Tensor = self.model.score_tokens(tokens, mask, max(before, 0))
        return scores[:, :-1]

    def _scores_after(self, suffixes: list[list[int]]) -> Tensor:
        """Return the same, without a graph, from the keys and values that the prompt left."""
        rows = [[*suffix, *self.after, *self.target] for suffix in suffixes]
        first = len(rows[0]) - len(self.target) - 1
        if first < 0:  # what foretells the target is the prompt's last token
            return self._scores(suffixes)
        tokens = torch.tensor(rows, device=self.model.device)
        return self.continued.scores(tokens, first)[:, :-1]

    def _losses(self, scores: Tensor) -> Tensor:
        flat = F.cross_entropy(
            scores.flatten(0, 1), self._targets(len(scores)).flatten(), reduction="none"
        )
        return flat.view(len(scores), -1).mean(1)

    def _targets(self, rows: int) -> Tensor:
        return torch.tensor(self.target, device=self.model.device).expand(rows, -1)
