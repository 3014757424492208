"""Optimisers of a client's local steps, over its one vector."""

from collections.abc import Sequence
from functools import cache
from typing import Any, Literal

import torch
from torch import nn

from fedbytes.models.base.capability import can_step
from fedbytes.process.optional_imports import import_bitsandbytes

BETA1, BETA2 = 0.9, 0.999
"""Decays of Adam's moments, PyTorch's."""
LocalOptimizer = Literal["adamw", "sgd", "adamw8bit", "paged_adamw8bit"]
"""`adamw8bit` keeps Adam's moments in 8 bits (arXiv 2110.02861), `paged_adamw8bit` also in pages
that leave the GPU when its memory is short (arXiv 2305.14314); both need bitsandbytes."""


def make_local_optimizer(
    name: LocalOptimizer,
    flat: nn.Parameter | Sequence[nn.Parameter],
    learning_rate: float,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
    scratch: dict[str, Any] | None = None,
    beta2: float = BETA2,
) -> torch.optim.Optimizer:
    """Return an optimiser of trained vectors, each by itself, without memory of earlier ones.

    Args:
        name: which.
        flat: the vector, or several, whose gradients are set by backward passes; a paged optimiser
            is of one alone.
        learning_rate: size of a step.
        momentum: of SGD; Adam has its own.
        weight_decay: of SGD as a gradient, of Adam decoupled.
        scratch: the model's (see `scratch_of`), where a paged optimiser is kept.
        beta2: decay of Adam's second moment.

    Raises:
        ValueError: if bitsandbytes is not installed, or the vector's device cannot do it.
    """
    vectors = [flat] if isinstance(flat, nn.Parameter) else list(flat)
    flat, device = vectors[0], vectors[0].device.type
    if name == "sgd":
        return torch.optim.SGD(vectors, learning_rate, momentum, weight_decay=weight_decay)
    betas = BETA1, beta2
    if name == "adamw":
        fused = _fuses(flat.device)
        return torch.optim.AdamW(
            vectors, learning_rate, betas, weight_decay=weight_decay, fused=fused
        )
    optim = import_bitsandbytes(f"optimizer {name!r}").optim
    if name == "adamw8bit":
        if device not in ("cpu", "cuda", "xpu"):
            raise ValueError(f"optimizer 'adamw8bit' does not run on {device}: use adamw")
        _check_8_bits(name, flat.device)
        return optim.AdamW8bit(vectors, learning_rate, betas, weight_decay=weight_decay)  # type: ignore[no-any-return]
    if device != "cuda":
        raise ValueError(f"optimizer 'paged_adamw8bit' needs cuda, not {device}: use adamw8bit")
    _check_8_bits(name, flat.device)
    # The library never gives its pages back, and each client begins anew: so each vector of a
    # model keeps its first optimiser, which then forgets.
    kept: dict[str, Any] = {} if scratch is None else scratch
    key = f"local_optimizers: paged, {flat.numel()} numbers"
    held: Any = kept.get(key)
    if held is None or held.param_groups[0]["params"][0] is not flat:
        held = kept[key] = optim.PagedAdamW8bit(
            [flat], learning_rate, betas, weight_decay=weight_decay
        )
    begin_anew(held, learning_rate, weight_decay, betas)
    return held  # type: ignore[no-any-return]


@cache
def _fuses(device: torch.device) -> bool:
    return can_step(lambda flat: torch.optim.AdamW([flat], fused=True), device)


@cache
def _steps_in_8_bits(device: torch.device) -> bool:
    optim = import_bitsandbytes("8-bit optimizers").optim
    return can_step(lambda flat: optim.AdamW8bit([flat]), device)


def _check_8_bits(name: str, device: torch.device) -> None:
    if not _steps_in_8_bits(device):
        raise ValueError(f"optimizer {name!r} does not step on this {device}: use adamw")


def begin_anew(
    optimizer: torch.optim.Optimizer,
    learning_rate: float,
    weight_decay: float,
    betas: tuple[float, float] = (BETA1, BETA2),
) -> None:
    """Make a bitsandbytes optimiser forget its steps, in the memory that it holds."""
    for group in optimizer.param_groups:
        group["lr"], group["weight_decay"], group["betas"] = learning_rate, weight_decay, betas
    for state in optimizer.state.values():
        state["step"] = 0
        for key in ("state1", "state2", "absmax1", "absmax2"):
            if key in state:
                state[key].zero_()
