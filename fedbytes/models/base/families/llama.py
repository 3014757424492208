from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from fedbytes.models.adapter import Initial
from fedbytes.models.base.family import FAMILIES, Family
from fedbytes.models.initialisers import fill_ones
from fedbytes.plugin_fields import bounded

if TYPE_CHECKING:
    from transformers import PretrainedConfig

_STD = 0.02


@FAMILIES.register("llama")
@dataclass(frozen=True)
class Llama(Family):
    """A Llama-style decoder with random weights (arXiv:2302.13971), 4.3 M parameters by default.

    Matrices are drawn from N(0, 0.02²); for those that write into the residual stream the deviation
    is divided by the square root of twice the number of layers (GPT-2).

    Attributes:
        hidden_size: width of the hidden states.
        layers: number of layers.
        heads: number of attention heads; must divide the width.
        kv_heads: number of heads of keys and values; must divide `heads`. None means `heads`.
        intermediate_size: inner width of the gated feed-forward layer; None means 8/3 of the width,
            rounded up to a multiple of 64.
        tie_embeddings: whether the output layer shares the embedding's weight.
    """

    hidden_size: int = bounded(256, least=1)
    layers: int = bounded(4, least=1)
    heads: int = bounded(4, least=1)
    kv_heads: int | None = bounded(None, least=1)
    intermediate_size: int | None = bounded(None, least=1)
    tie_embeddings: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.hidden_size % (2 * self.heads):
            raise ValueError(
                f"hidden_size must be a multiple of twice the heads (rotary positions), got "
                f"hidden_size={self.hidden_size} and heads={self.heads}"
            )
        if self.kv_heads is not None and self.heads % self.kv_heads:
            raise ValueError(
                f"kv_heads must divide heads, got kv_heads={self.kv_heads} and heads={self.heads}"
            )

    def config(self, tokens: int, max_length: int) -> "PretrainedConfig":
        """Return transformers' configuration of these sizes."""
        from transformers import LlamaConfig

        return LlamaConfig(
            vocab_size=tokens,
            hidden_size=self.hidden_size,
            intermediate_size=self.intermediate_size or -(-8 * self.hidden_size // 192) * 64,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            num_key_value_heads=self.kv_heads or self.heads,
            max_position_embeddings=max(2048, max_length),
            tie_word_embeddings=self.tie_embeddings,
        )

    def initial(self, parameter: str) -> Initial:
        """Return ones for norms and normal draws for matrices."""
        if parameter.endswith("norm.weight"):
            return fill_ones
        into_stream = parameter.endswith(("o_proj.weight", "down_proj.weight"))
        deviation = _STD / (2 * self.layers) ** 0.5 if into_stream else _STD

        def normal(rng: np.random.Generator, like: Tensor) -> Tensor:
            drawn = rng.standard_normal(tuple(like.shape), dtype=np.float32)
            return torch.from_numpy(drawn).mul_(deviation)

        return normal
