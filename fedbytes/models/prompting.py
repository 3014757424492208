"""Vectors in front of every text: how an adapter puts a prompt before what a model reads."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

OUTPUTS = ("logits", "last_hidden_state")


def read_first(backbone: nn.Module, prompt: Callable[[], Tensor]) -> None:
    """Let a model read a prompt before each text, and answer for the text alone.

    Args:
        backbone: a shared copy of a base model; its `forward` is replaced.
        prompt: returns the prompt as vectors of the model's input [length, hidden].
    """
    original: Callable[..., Any] = backbone.forward
    embeddings: nn.Module = backbone.get_input_embeddings()  # type: ignore[operator]

    def forward(input_ids: Tensor, attention_mask: Tensor, **options: Any) -> Any:
        text = embeddings(input_ids)
        front = prompt().to(text.dtype).expand(len(text), -1, -1)
        seen = attention_mask.new_ones(front.shape[:2])
        output = original(
            inputs_embeds=torch.cat([front, text], 1),
            attention_mask=torch.cat([seen, attention_mask], 1),
            **options,
        )
        for key in OUTPUTS:
            if getattr(output, key, None) is not None:
                output[key] = output[key][:, front.shape[1] :]
        return output

    backbone.forward = forward


def vocabulary_of(backbone: Any) -> int:
    """Return how many tokens a model knows."""
    return int(backbone.config.vocab_size)
