"""Scores of texts that all begin alike, and whose beginning is computed once."""

import copy
from collections.abc import Sequence
from inspect import signature
from typing import Any

import torch
from torch import Tensor

from fedbytes.models.base.device import autocast

_REPEATABLE = ("DynamicLayer", "DynamicSlidingWindowLayer")
"""Layers of a cache of transformers that hold keys and values alone."""


class ContinuedScores:
    """Scores what follows one beginning, of which the keys and values are kept.

    A search for a suffix asks for thousands of texts that differ in a few tokens near their end:
    behind a prompt of 60 tokens, 20 tokens of suffix and target cost about a quarter of the whole.
    The scores are those of `TrainableModel.score_tokens` on the whole text, but for rounding.
    Models that keep anything else of what they have read, such as states of recurrent layers, read
    the whole text.

    Args:
        model: a causal language model of `fedbytes.models`, whose weights stay as they are while
            this is used.
        beginning: token ids, perhaps none.
    """

    def __init__(self, model: Any, beginning: Sequence[int]) -> None:
        self.model, self.beginning = model, list(beginning)
        self._cache = self._kept() if self.beginning else None

    def scores(self, tokens: Tensor, scores_from: int = 0) -> Tensor:
        """Return the scores of next tokens, float32 [rows, time - scores_from, vocabulary].

        Args:
            tokens: what follows the beginning, int64 [rows, time], none of it padding.
            scores_from: the index in `tokens` from which scores are needed.
        """
        with torch.inference_mode():
            if self._cache is None:
                begun = torch.tensor(self.beginning, dtype=torch.long, device=tokens.device)
                tokens = torch.cat([begun.expand(len(tokens), -1), tokens], 1)
                mask, first = torch.ones_like(tokens), len(self.beginning) + scores_from
                found: Tensor = self.model.score_tokens(tokens, mask, first)
                return found
            cache = copy.deepcopy(self._cache)  # a pass writes into it
            cache.batch_repeat_interleave(len(tokens))
            kept = tokens.shape[1] - scores_from
            with autocast(self.model.device, self.model.dtype):
                made: Any = self.model.network.backbone(
                    input_ids=tokens, past_key_values=cache, use_cache=True, logits_to_keep=kept
                )
            scores: Tensor = made.logits.float()
            return scores

    def _kept(self) -> Any:
        """Return the keys and values of the beginning; None where a model keeps none."""
        tokens = torch.tensor([self.beginning], device=self.model.device)
        backbone = self.model.network.backbone
        if "logits_to_keep" not in signature(type(backbone).forward).parameters:
            return None
        with torch.inference_mode(), autocast(self.model.device, self.model.dtype):
            try:
                made: Any = backbone(input_ids=tokens, use_cache=True, logits_to_keep=1)
            except ValueError:  # a pipeline of several processes passes no cache on
                return None
        cache = getattr(made, "past_key_values", None)
        layers = getattr(cache, "layers", [None])
        plain = all(type(layer).__name__ in _REPEATABLE for layer in layers)
        return cache if plain else None  # states of recurrent layers cannot be repeated for rows
