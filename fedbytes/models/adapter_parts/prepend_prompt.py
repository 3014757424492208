"""Vectors in front of every text: how an adapter puts a prompt before what a model reads."""

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from fedbytes.models.context_length import check_text_fits, count_positions
from fedbytes.models.forward_patch import replace_forward

OUTPUTS = ("logits", "last_hidden_state")


def prepend_prompt(backbone: nn.Module, prompt: Callable[[], Tensor]) -> None:
    """Let a model read a prompt before each text, and answer for the text alone.

    Prompts take the first positions and are seen by every token; padding of the text stays unseen.
    In generation they are read once, with the first tokens, and then are in the model's cache.

    Args:
        backbone: a shared copy of a base model; its `forward` is replaced. It raises ValueError
            for texts that leave the prompt no positions.
        prompt: returns the prompt as vectors of the model's input [length, hidden].
    """
    original: Callable[..., Any] = backbone.forward
    embeddings: nn.Module = backbone.get_input_embeddings()  # type: ignore[operator]
    most = count_positions(backbone)

    def forward(input_ids: Tensor, attention_mask: Tensor | None = None, **options: Any) -> Any:
        front = prompt()
        length = len(front)
        cache = options.get("past_key_values")
        read = cache is not None and cache.get_seq_length() > 0
        check_text_fits(most, input_ids.shape[1], 0 if read else length)
        if attention_mask is not None:
            attention_mask = nn.functional.pad(attention_mask, (length, 0), value=1)
        options["attention_mask"] = attention_mask
        if options.get("position_ids") is not None:
            options["position_ids"] = _moved(options["position_ids"], length, read)
        if read:
            return original(input_ids=input_ids, **options)
        text = embeddings(input_ids)
        rows = front.to(text.dtype).expand(len(text), -1, -1)
        output = original(**options | {"inputs_embeds": torch.cat([rows, text], 1)})
        for key in OUTPUTS:
            if getattr(output, key, None) is not None:
                output[key] = output[key][:, -input_ids.shape[1] :]
        return output

    # Generation reads the signature to find which inputs a model takes, positions included.
    forward.__signature__ = inspect.signature(original)  # type: ignore[attr-defined]
    replace_forward(backbone, forward)


def vocabulary_size(backbone: Any) -> int:
    """Return how many tokens a model knows."""
    return int(backbone.config.vocab_size)


def _moved(positions: Tensor, length: int, read: bool) -> Tensor:
    """Return the positions [rows, time] of texts after a prompt, its own in front unless `read`."""
    moved = positions + length
    if read:
        return moved
    front = torch.arange(length, device=positions.device).expand(len(positions), -1)
    return torch.cat([front, moved], 1)
