"""The state that an optimiser has gathered, taken out of it and put into another."""

from typing import Any

import torch
from torch import Tensor, nn


def take_moments(optimizer: torch.optim.Optimizer, flat: nn.Parameter) -> dict[str, Tensor]:
    """Return copies of what the optimiser keeps of `flat`, on the CPU; empty before a step.

    Momentum of SGD, moments and step of Adam, also in 8 bits. Whole numbers become int64 tensors
    without a dimension.
    """
    kept = optimizer.state.get(flat, {})
    return {key: _copied(value) for key, value in kept.items() if value is not None}


def give_moments(
    optimizer: torch.optim.Optimizer, flat: nn.Parameter, moments: dict[str, Tensor]
) -> None:
    """Put what `take_moments` returned into a new optimiser of `flat`; nothing is shared."""
    if not moments:
        return
    optimizer.state[flat] = {key: _placed(value, flat) for key, value in moments.items()}


def _copied(value: Any) -> Tensor:
    if isinstance(value, Tensor):
        return value.detach().to("cpu", copy=True)
    return torch.tensor(value, dtype=torch.int64)


def _placed(value: Tensor, flat: nn.Parameter) -> Any:
    if value.dim() == 0 and value.dtype == torch.int64:
        return int(value)
    return value.to(flat.device, copy=True)
