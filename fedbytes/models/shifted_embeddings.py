"""A model that reads other embeddings than those of its tokens, within a block."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

Shift = Callable[[Tensor, Tensor], Tensor]
"""Returns what is read instead of inputs [batch, …], given their mask [batch, time]."""


@contextmanager
def shifted_embeddings(backbone: Any, shift: Shift) -> Iterator[None]:
    """Have a model read `shift(embeddings, mask)` in place of its tokens' embeddings.

    What a model adds to them (positions, vectors that an adapter prepends) comes after the shift.

    Args:
        backbone: a model of transformers whose modules nobody else uses.
        shift: given the embeddings [batch, time, width] and 1 for tokens, 0 for padding
            [batch, time].
    """
    masks: list[Tensor | None] = [None]

    def keep_mask(_backbone: nn.Module, _args: Any, options: dict[str, Any]) -> None:
        masks[0] = options.get("attention_mask")

    def shifted(_embeddings: nn.Module, _args: Any, output: Tensor) -> Tensor:
        mask = masks[0]
        return shift(output, torch.ones_like(output[..., 0]) if mask is None else mask)

    hooks = [
        backbone.register_forward_pre_hook(keep_mask, with_kwargs=True),
        backbone.get_input_embeddings().register_forward_hook(shifted),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
