"""Prepend vectors to every input of a model."""

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from fedbytes.models.context_length import check_text_fits, count_positions
from fedbytes.models.forward_patch import replace_forward

OUTPUTS = ("logits", "last_hidden_state")


def prepend_prompt(backbone: nn.Module, prompt: Callable[[], Tensor]) -> None:
    """Prepend a prompt to each text; outputs are those of the text only.

    Prompts occupy the first positions, and every token attends to them. In generation they are
    processed once, with the first tokens, and then are in the model's cache.

    Args:
        backbone: a shared copy of a base model, whose `forward` is replaced. It then raises
            ValueError for texts that leave no positions for the prompt.
        prompt: returns the prompt's input vectors [length, hidden], or [clients, length, hidden]
            where texts are of several clients, one after the other and as many of each.
    """
    original: Callable[..., Any] = backbone.forward
    embeddings: nn.Module = backbone.get_input_embeddings()  # type: ignore[operator]
    most = count_positions(backbone)

    def forward(input_ids: Tensor, attention_mask: Tensor | None = None, **options: Any) -> Any:
        front = prompt()
        length = front.shape[-2]
        cache = options.get("past_key_values")
        read = cache is not None and cache.get_seq_length() > 0
        check_text_fits(most, input_ids.shape[1], 0 if read else length)
        if attention_mask is not None:
            attention_mask = nn.functional.pad(attention_mask, (length, 0), value=1)
        options["attention_mask"] = attention_mask
        if options.get("position_ids") is not None:
            options["position_ids"] = _shift_positions(options["position_ids"], length, read)
        if read:
            return original(input_ids=input_ids, **options)
        text = embeddings(input_ids)
        rows = front.to(text.dtype)
        if front.dim() == 3:
            rows = rows.repeat_interleave(len(text) // len(front), 0)
        else:
            rows = rows.expand(len(text), -1, -1)
        output = original(**options | {"inputs_embeds": torch.cat([rows, text], 1)})
        for key in OUTPUTS:
            if getattr(output, key, None) is not None:
                output[key] = output[key][:, -input_ids.shape[1] :]
        return output

    # Generation reads the signature to find which inputs a model takes, positions included.
    forward.__signature__ = inspect.signature(original)  # type: ignore[attr-defined]
    replace_forward(backbone, forward)


def vocabulary_size(backbone: Any) -> int:
    """Return the size of a model's vocabulary."""
    return int(backbone.config.vocab_size)


def _shift_positions(positions: Tensor, length: int, read: bool) -> Tensor:
    """Shift texts' positions [rows, time] past a prompt, and prepend its own unless `read`."""
    shifted = positions + length
    if read:
        return shifted
    front = torch.arange(length, device=positions.device).expand(len(positions), -1)
    return torch.cat([front, shifted], 1)
