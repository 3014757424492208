"""What this device and this build of torch compute: tried once, there and back, and remembered.

Nothing says it beforehand: oneDNN, for one, has an LSTM in bfloat16 on some processors alone, and
elsewhere raises when one is run.
"""

from collections.abc import Callable
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

# torch raises the first for what it lacks, bitsandbytes any of them.
_LACKING = (RuntimeError, TypeError, ValueError, AttributeError)


def can_compute(call: Callable[[Tensor], Tensor], x: Tensor) -> bool:
    """Return whether `call(x)` is computed here, without and with a graph, and back to x.

    Memory that is full is no answer, and raises as ever.
    """
    try:
        with torch.inference_mode(False):
            with torch.no_grad():
                call(x)
            with torch.enable_grad():
                start = x.detach().clone().requires_grad_()
                torch.autograd.grad(call(start).float().sum(), start)
    except torch.OutOfMemoryError:
        raise
    except _LACKING:
        return False
    return True


def can_step(
    make: Callable[[torch.nn.Parameter], torch.optim.Optimizer], device: torch.device
) -> bool:
    """Return whether the optimiser that `make` returns for a vector takes steps on a device."""
    try:
        with torch.inference_mode(False):
            # bitsandbytes keeps moments of fewer than 4,096 coordinates in 32 bits.
            flat = torch.nn.Parameter(torch.ones(8192, device=device))
            flat.grad = torch.ones_like(flat)
            make(flat).step()
    except torch.OutOfMemoryError:
        raise
    except _LACKING:
        return False
    return True


@cache
def can_multiply(device: torch.device, dtype: torch.dtype) -> bool:
    """Return whether the products of a transformer are computed on a device as `dtype`."""

    def attend(x: Tensor) -> Tensor:
        with torch.autocast(device.type, dtype=dtype):
            rows = F.linear(x, x[0]).to(dtype)
            found: Tensor = F.scaled_dot_product_attention(rows, rows, rows, is_causal=True)
        return found @ rows.transpose(1, 2)

    return can_compute(attend, torch.zeros(1, 16, 16, device=device))


@cache
def can_run_lstm(
    device: torch.device, dtype: torch.dtype, width: int, hidden: int, depth: int
) -> bool:
    """Return whether a bidirectional LSTM is computed on a device under autocast to `dtype`.

    Args:
        device: where.
        dtype: of the products; the weights are float32.
        width: of its input.
        hidden: of its states, in each direction.
        depth: its layers.
    """
    with torch.random.fork_rng(devices=[]):  # the weights it draws are not used
        lstm = torch.nn.LSTM(width, hidden, depth, bidirectional=True).to(device)

    def read(x: Tensor) -> Tensor:
        with torch.autocast(device.type, dtype=dtype):
            return run_lstm(lstm, x)

    return can_compute(read, torch.zeros(2, width, device=device))


def run_lstm(lstm: torch.nn.Module, states: Tensor) -> Tensor:
    """Return what an LSTM makes of states [length, width].

    Not by cuDNN, which goes back in training mode alone, and wants its weights in a chunk of their
    own.
    """
    with torch.backends.cudnn.flags(enabled=False):
        read: Tensor = lstm(states)[0]
    return read
