"""Which layers each process of a pipeline keeps, and which rows each part of a batch has."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fedbytes.models.adapter_parts.attention_prefix import KEYS


def cut_points(count: int, parts: int) -> list[int]:
    """Return the bounds of at most `parts` ranges of about equal size that cover `count`."""
    ends = np.linspace(0, count, min(parts, count) + 1).round().astype(int)
    return [int(end) for end in ends]


def select_rows(rows: slice, value: Any, whole: int) -> Any:
    """Return a layer's argument for some rows of a batch of `whole` rows."""
    if isinstance(value, Tensor):
        return value[rows] if value.ndim > 1 and len(value) == whole else value
    if isinstance(value, tuple | list):
        return type(value)(select_rows(rows, entry, whole) for entry in value)
    if isinstance(value, dict):
        return {key: select_rows(rows, entry, whole) for key, entry in value.items()}
    return value


def check_pipeline(backbone: Any, layers: int, processes: int) -> None:
    """Raise ValueError for a model that cannot be split over so many processes."""
    if not layers:
        raise ValueError(
            f"pipeline_parallel: {type(backbone).__name__} has no known stack of layers: remove it"
        )
    if processes > layers:
        raise ValueError(
            f"pipeline_parallel: {processes} processes for {layers} layers: start torchrun with "
            f"--nproc-per-node {layers} or fewer"
        )
    if hasattr(backbone, KEYS):
        raise ValueError(
            "pipeline_parallel cannot be combined with adapter prefix_tuning, whose initial values "
            "depend on all layers: use prompt_tuning"
        )


def count_empty_outputs(backbone: Any, layers: list[Any]) -> int | None:
    """Return how many `None` follow the states in the tuples that layers return; None for no tuple.

    Raises:
        ValueError: if other values follow, or layers differ.
    """
    found: list[Any] = []
    hooks = [x.register_forward_hook(lambda _m, _a, out: found.append(out)) for x in layers]
    tokens = torch.zeros(1, 2, dtype=torch.int64)
    with torch.no_grad():
        backbone(input_ids=tokens, attention_mask=torch.ones_like(tokens))
    for hook in hooks:
        hook.remove()
    counts = {len(out) - 1 if isinstance(out, tuple) else None for out in found}
    more = any(x is not None for out in found if isinstance(out, tuple) for x in out[1:])
    if more or len(found) != len(layers) or len(counts) != 1:
        raise ValueError(
            f"pipeline_parallel: layers of {type(backbone).__name__} pass on more than their "
            "states: remove it"
        )
    return counts.pop()


def drop_weights(backbone: nn.Module, others: Sequence[nn.Module], kept: set[int]) -> None:
    """Keep only the shapes of parameters and buffers that only other processes' layers have.

    Args:
        backbone: a model with all its layers.
        others: the layers of other processes.
        kept: ids of parameters to keep.
    """
    away, stays = {id(layer) for layer in others}, set[int]()

    def visit(module: nn.Module) -> None:
        if id(module) not in away | stays:
            stays.add(id(module))
            for child in module.children():
                visit(child)

    visit(backbone)
    for module in (m for layer in others for m in layer.modules() if id(m) not in stays):
        for name, held in module.named_parameters(recurse=False):
            if id(held) not in kept:
                shape = torch.empty_like(held, device="meta")
                module._parameters[name] = nn.Parameter(shape, requires_grad=False)
        for name, buffer in module.named_buffers(recurse=False):
            module._buffers[name] = torch.empty_like(buffer, device="meta")
