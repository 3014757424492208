"""Activation checkpointing: recompute activations inside layers in the backward pass."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from fedbytes.models.forward_patch import replace_forward
from fedbytes.models.layer_stack import find_layers


def checkpoint_layers(backbone: nn.Module) -> None:
    """Store only the input of each layer (Chen et al. 2016, arXiv 1604.06174).

    The layers' `forward` is replaced on this model's own modules: transformers' own switch
    requires training mode, in which dropout would draw.

    Args:
        backbone: a model whose modules nobody else uses, with its adapter.

    Raises:
        ValueError: if no stack of layers is found in the model.
    """
    layers: list[Any] = find_layers(backbone)[1]
    if not layers:
        raise ValueError(
            f"gradient_checkpointing: {type(backbone).__name__} has no known stack of layers: "
            "remove it"
        )
    for layer in layers:
        replace_forward(layer, _checkpointed(layer.forward))


def _checkpointed(original: Callable[..., Any]) -> Callable[..., Any]:
    def forward(*args: Any, **options: Any) -> Any:
        if not torch.is_grad_enabled():
            return original(*args, **options)
        if options.get("past_key_values") is not None:  # a second pass would fill the cache twice
            raise ValueError(
                "gradient_checkpointing cannot be combined with an adapter that fills a cache; "
                "remove one"
            )
        return checkpoint(original, *args, use_reentrant=False, preserve_rng_state=False, **options)

    return forward
