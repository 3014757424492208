"""The device and the precision that a model runs in."""

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch

from fedbytes.models.base.capability import can_multiply

Precision = Literal["auto", "float32", "bfloat16"]


def pick_device(device: str = "auto") -> torch.device:
    """Return the device of that name; `auto` is cuda, else mps, else cpu.

    Raises:
        ValueError: for a device that is unknown or not on this machine.
    """
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        found = torch.device(device)
        torch.empty(1, device=found)
    except (RuntimeError, AssertionError, ValueError) as error:
        reason = (str(error).splitlines() or ["not available"])[0].split(". ")[0]
        raise ValueError(f"device {device!r} cannot be used: {reason}") from error
    if found.type == "meta":
        raise ValueError("device 'meta' stores and computes no values: use cpu")
    return found


def pick_precision(precision: Precision, device: torch.device) -> torch.dtype:
    """Return the type of the matrix products; `auto` is bfloat16 where the device has it.

    A CPU counts only if it has matrix units for bfloat16 (AMX): emulation is slower.

    Raises:
        ValueError: for an unknown precision, or one that the device cannot compute.
    """
    if precision not in ("auto", "float32", "bfloat16"):
        raise ValueError(f"precision must be auto, float32 or bfloat16, got {precision!r}")
    if precision == "float32":
        return torch.float32
    if precision == "bfloat16":
        if not can_multiply(device, torch.bfloat16):
            raise ValueError(
                f"precision=bfloat16 cannot be computed on {device} here: set float32 or auto"
            )
        return torch.bfloat16
    native = False
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    elif device.type == "cpu":
        native = bool(getattr(torch.cpu, "_is_amx_tile_supported", bool)())
    return torch.bfloat16 if native and can_multiply(device, torch.bfloat16) else torch.float32


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[object]:
    """Return the context in which matrix products run in `dtype`."""
    if dtype == torch.float32:
        return nullcontext()
    return torch.autocast(device.type, dtype=dtype)
