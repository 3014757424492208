from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from fedbytes.models.adapter import ADAPTERS, AnyInitial, JointInitial
from fedbytes.models.adapter_parts.attention_prefix import KEYS, VALUES, AttentionPrefix
from fedbytes.models.adapter_parts.soft_prompt import SoftPrompt, draw_noise_like
from fedbytes.models.context_length import check_prompt_fits, count_positions


@ADAPTERS.register("prefix_tuning")
@dataclass(frozen=True)
class PrefixTuning(SoftPrompt):
    """Trained keys and values in front of every layer's (prefix tuning, arXiv:2101.00190).

    They start as those that the base computes for the prompt's words, as the paper advises, or
    as noise of that size. They are trained themselves, without the paper's network behind them.
    """

    @property
    def positions(self) -> int:
        """None: keys and values stand in front of those of the text without positions."""
        return 0

    def attach(self, backbone: nn.Module) -> dict[str, AnyInitial]:
        """Put keys and values in front, and return them.

        Raises:
            ValueError: if the model's attention cannot be reached; prompt_tuning then can. Or if
                it cannot read the words that they start as.
        """
        check_prompt_fits(count_positions(backbone), self.tokens)
        prefix = AttentionPrefix(backbone, self.tokens)
        names = [f"{kind}.{layer}" for layer in range(prefix.layers) for kind in (KEYS, VALUES)]
        return dict.fromkeys(names, KeysAndValuesOfWords(self, prefix))


@dataclass(frozen=True, eq=False)
class KeysAndValuesOfWords(JointInitial):
    """Keys and values that the base computes for the prompt's words, or noise of that size."""

    adapter: SoftPrompt
    prefix: AttentionPrefix

    def draw(
        self, rngs: Sequence[np.random.Generator], tensors: Sequence[Tensor]
    ) -> Sequence[Tensor]:
        """Return each layer's keys and values [length, heads x width]; `rngs[0]` draws words."""
        ids = self.adapter.start(rngs[0], int(self.prefix.backbone.config.vocab_size))
        pairs = self.prefix.of(torch.from_numpy(ids).to(tensors[0].device))
        start = [part for pair in pairs for part in pair]
        if self.adapter.init != "random":
            return start
        return [draw_noise_like(rng, part) for rng, part in zip(rngs, start, strict=True)]
