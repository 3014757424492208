"""Many trained tensors as views into one vector, and their gradients into another."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from fedbytes.compression.layout import Layout


def bind_flat_vector(
    model: nn.Module, names: Mapping[str, str], device: torch.device
) -> tuple[nn.Parameter, Layout]:
    """Replace the named parameters by views into one float32 vector.

    An optimiser of this one vector trains them all; autograd adds into views of its gradient.

    Args:
        model: its named parameters are replaced wherever they are used, all others are frozen.
        names: name in the model -> name in the layout, in the layout's order.
        device: device of the vector.

    Returns:
        the vector (its `grad` is set and must stay), and its layout.
    """
    held = dict(model.named_parameters())
    layout = Layout({names[name]: tuple(held[name].shape) for name in names})
    flat = nn.Parameter(torch.empty(layout.numel, device=device))
    flat.grad = torch.zeros_like(flat)
    replacement: dict[int, nn.Parameter] = {}
    at = 0
    for name in names:
        old = held[name]
        part = slice(at, at := at + old.numel())
        new = nn.Parameter(flat.data[part].view(old.shape))
        new.data.copy_(old.data)
        new.grad = flat.grad[part].view(old.shape)
        replacement[id(old)] = new
    for module in model.modules():
        for key, parameter in module._parameters.items():
            if parameter is None:
                continue
            if id(parameter) in replacement:
                module._parameters[key] = replacement[id(parameter)]
            elif parameter.requires_grad and not _is_view(parameter, flat):
                parameter.requires_grad_(False)
    return flat, layout


def _is_view(tensor: Tensor, flat: Tensor) -> bool:
    return tensor.untyped_storage().data_ptr() == flat.untyped_storage().data_ptr()
