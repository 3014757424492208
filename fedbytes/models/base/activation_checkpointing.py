"""Activations inside layers, computed again on the way back rather than kept."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from fedbytes.models.forward_patch import replace_forward
from fedbytes.models.layer_stack import find_layers


def checkpoint_layers(backbone: nn.Module) -> None:
    """Keep of each layer only what goes in (Chen et al. 2016, arXiv 1604.06174).

    The layers' `forward` is replaced on this model's own modules: transformers' own switch
    works in training mode alone, and there dropout would draw.

    Args:
        backbone: a model whose modules nobody else uses, with its adapter.

    Raises:
        ValueError: if the model has no stack of layers that we know of.
    """
    layers: list[Any] = find_layers(backbone)[1]
    if not layers:
        raise ValueError(
            f"gradient_checkpointing: {type(backbone).__name__} has no stack of layers that we "
            "know of: leave it out"
        )
    for layer in layers:
        replace_forward(layer, _checkpointed(layer.forward))


def _checkpointed(original: Callable[..., Any]) -> Callable[..., Any]:
    def forward(*args: Any, **options: Any) -> Any:
        if not torch.is_grad_enabled():
            return original(*args, **options)
        if options.get("past_key_values") is not None:  # a second pass would fill it twice
            raise ValueError(
                "gradient_checkpointing does not go with an adapter that fills a cache: "
                "leave it out"
            )
        return checkpoint(original, *args, use_reentrant=False, preserve_rng_state=False, **options)

    return forward
