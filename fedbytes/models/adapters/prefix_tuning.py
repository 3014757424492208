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
    """Trained keys and values in front of those of every layer (arXiv:2101.00190).

    They start as the base's own for the prompt's words, as the paper advises, or as noise of the
    same size. They are trained directly, without the paper's reparameterisation network.
    """

    @property
    def positions(self) -> int:
        """Zero: keys and values have no positions."""
        return 0

    def attach(self, backbone: nn.Module) -> dict[str, AnyInitial]:
        """Insert and return keys and values.

        Raises:
            ValueError: if the model's attention cannot be replaced (use prompt_tuning then), or it
                has too few positions.
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
        pairs = self.prefix.compute(torch.from_numpy(ids).to(tensors[0].device))
        start = [part for pair in pairs for part in pair]
        if self.adapter.init != "random":
            return start
        return [draw_noise_like(rng, part) for rng, part in zip(rngs, start, strict=True)]
