"""An adapter that goes into the base's weights: a plain model of the base's own architecture."""

import copy
from typing import Any

import torch
from torch import nn


def merged_backbone(backbone: nn.Module) -> Any:
    """Return a copy of a trained model without adapter layers: they are in its weights.

    Args:
        backbone: a base with what an adapter attached; it is unchanged, and so is the base.

    Raises:
        ValueError: for a method of peft that cannot be merged.
    """
    from peft.tuners.tuners_utils import BaseTunerLayer

    merged: Any = copy.deepcopy(backbone)
    for name, module in list(merged.named_modules()):
        if isinstance(module, BaseTunerLayer):
            _replace(merged, name, _merged_layer(name, module))
        elif hasattr(module, "merged_layer"):
            _replace(merged, name, module.merged_layer())
    for parameter in merged.parameters():
        parameter.requires_grad_(False)
        parameter.grad = None
    return merged


def _merged_layer(name: str, layer: Any) -> nn.Module:
    try:
        with torch.no_grad():
            layer.merge()
    except (NotImplementedError, ValueError, TypeError, RuntimeError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(
            f"layer {name} cannot be merged into the base ({reason}): set keep=adapter and run the "
            "same again"
        ) from error
    base: nn.Module = layer.get_base_layer()
    return base


def _replace(model: nn.Module, name: str, layer: nn.Module) -> None:
    parent, _, last = name.rpartition(".")
    setattr(model.get_submodule(parent), last, layer)
