"""Flat vectors as named tensors and back."""

from collections.abc import Mapping

import torch
from torch import Tensor

from fedbytes.compression.layout import Layout

Tensors = dict[str, Tensor]


def unpack_tensors(layout: Layout, vector: Tensor) -> Tensors:
    """Return the tensors of a vector `[layout.numel]` by name, as views."""
    shapes = layout.shapes
    return {name: vector[place].view(shapes[name]) for name, place in layout.slices().items()}


def pack_tensors(layout: Layout, tensors: Mapping[str, Tensor]) -> Tensor:
    """Return the vector `[layout.numel]` of tensors that are given by name; others are left out.

    Raises:
        ValueError: if one has another shape than the layout says.
    """
    parts = []
    for name, shape in layout.shapes.items():
        if tuple(tensors[name].shape) != shape:
            raise ValueError(f"{name} has shape {tuple(tensors[name].shape)}, not {shape}")
        parts.append(tensors[name].reshape(-1))
    return torch.cat(parts) if parts else torch.empty(0)


def select(layout: Layout, names: set[str]) -> Layout:
    """Return the layout of the tensors that are named, in the same order."""
    return Layout({name: shape for name, shape in layout.shapes.items() if name in names})
