"""A classifier under attack: its scores and gradients, each of which is a query."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fedbytes.federated.adversarial.vocabulary import Vocabulary, WordTokens
from fedbytes.federated.trainable import scratch_of
from fedbytes.models.shifted_embeddings import Shift

_ROWS = 64
"""Texts that are scored at once."""


@dataclass(frozen=True)
class TargetText:
    """A test text and what is to be changed of it.

    Attributes:
        pieces: its tokens, by word.
        words: which of the pieces are words.
        label: its class; -1 of a prompt.
        tail: of a prompt, how many of its last tokens are the template's, after the user's text.
    """

    pieces: tuple[WordTokens, ...]
    words: tuple[int, ...]
    label: int = -1
    tail: int = 0

    @classmethod
    def of(
        cls, tokens: Sequence[int], vocabulary: Vocabulary, label: int = -1, tail: int = 0
    ) -> "TargetText":
        """Return a row of tokens as a text to attack."""
        pieces = vocabulary.pieces(tokens)
        words = tuple(i for i, piece in enumerate(pieces) if vocabulary.is_word(piece))
        return cls(pieces, words, label, tail)

    @property
    def tokens(self) -> list[int]:
        """The row of tokens."""
        return [token for piece in self.pieces for token in piece]


@dataclass(frozen=True)
class TextOutcome:
    """What became of an attack on a text.

    Attributes:
        fooled: whether the model errs on the changed text.
        tokens: the changed text; None where no text was changed, but its embeddings.
        changed: how many words differ.
        queries: how many texts and gradients the model was asked for.
    """

    fooled: bool
    tokens: tuple[int, ...] | None
    changed: int
    queries: int


class Victim:
    """A model that answers queries about one text, and counts them.

    A text that is scored is a query; so is a gradient, which tells far more.

    Args:
        model: a `fedbytes.models.TrainableModel`.
        text: the text.
        most: how many queries it answers.

    Attributes:
        queries: how many it has answered.
    """

    def __init__(self, model: Any, text: TargetText, most: int) -> None:
        self.model, self.text, self.most = model, text, most
        self.queries = 0

    @property
    def left(self) -> int:
        """How many more queries it answers."""
        return self.most - self.queries

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The tokens of the model."""
        return vocabulary_of(self.model)

    def join(self, pieces: Sequence[WordTokens]) -> list[int]:
        """Return pieces as the row that the model would read: as long as the task's texts may be.

        What is cut off is cut before the special tokens at the end.
        """
        tokens = [token for piece in pieces for token in piece]
        most = self.model.task.max_length
        if len(tokens) <= most:
            return tokens
        end = len(tokens)
        while end > 0 and tokens[end - 1] in self.vocabulary.special:
            end -= 1
        closing = tokens[end:]
        return tokens[: most - len(closing)] + closing

    def margins(self, rows: Sequence[Sequence[int]]) -> list[float]:
        """Return by how much the true class is ahead of the next in each row's scores.

        Below 0 the model is fooled. Rows beyond the queries that are left are not scored.
        """
        rows = rows[: self.left]
        self.queries += len(rows)
        found: list[float] = []
        with torch.inference_mode():
            for start in range(0, len(rows), _ROWS):
                scores = self.model.score_tokens(*self._batch(rows[start : start + _ROWS]))
                found += self._margin(scores).tolist()
        return found

    def gradient(self, row: Sequence[int]) -> tuple[float, Tensor]:
        """Return a row's margin and its gradient by the tokens' embeddings [time, width]."""
        self.queries += 1
        leaf: list[Tensor] = []

        def watch(inputs: Tensor, _mask: Tensor) -> Tensor:
            leaf.append(inputs.detach().requires_grad_())
            return leaf[0]

        with self.model.shifted_inputs(watch):
            margin = self._margin(self.model.score_tokens(*self._batch([row])))
        (gradient,) = torch.autograd.grad(margin.sum(), leaf[0])
        return float(margin.detach()), gradient[0, : len(row)].float()

    def shifted_margin(self, shift: Shift) -> Tensor:
        """Return the margin of the text with its embeddings shifted, a scalar with a graph."""
        self.queries += 1
        with self.model.shifted_inputs(shift):
            return self._margin(self.model.score_tokens(*self._batch([self.text.tokens])))[0]

    def _margin(self, scores: Tensor) -> Tensor:
        label = self.text.label
        others = torch.cat([scores[:, :label], scores[:, label + 1 :]], dim=1)
        return scores[:, label] - others.amax(1)

    def _batch(self, rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        return batch_rows(rows, self.model.device)


def vocabulary_of(model: Any) -> Vocabulary:
    """Return what a model's tokens are, found out once."""
    held = scratch_of(model)
    key = f"{__name__} vocabulary"
    if key not in held:
        held[key] = Vocabulary(model.task.tokenizer, len(model.embedding))
    found: Vocabulary = held[key]
    return found


def batch_rows(rows: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return rows of tokens padded on the right to the longest, and their mask [rows, time]."""
    width = max(map(len, rows))
    tokens = np.zeros((len(rows), width), dtype=np.int64)
    mask = np.zeros_like(tokens)
    for index, row in enumerate(rows):
        tokens[index, : len(row)], mask[index, : len(row)] = row, 1
    return torch.from_numpy(tokens).to(device), torch.from_numpy(mask).to(device)
