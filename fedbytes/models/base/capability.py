"""What this device and this build of torch can compute, found by trying it.

No library reports it beforehand: oneDNN, for example, has an LSTM in bfloat16 on some processors
only, and raises on others when one is run. Each answer is cached for the process.
"""

from collections.abc import Callable
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

# torch raises RuntimeError for an unsupported operation, bitsandbytes any of these.
_LACKING = (RuntimeError, TypeError, ValueError, AttributeError)


def can_compute(call: Callable[[Tensor], Tensor], x: Tensor) -> bool:
    """Return whether `call(x)` runs here, both without a graph and with a backward pass to x.

    Raises:
        torch.OutOfMemoryError: if memory is full, which is no answer.
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
    """Return whether the optimiser that `make` returns for a vector can take steps on a device."""
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
    """Return whether a device computes the products of a transformer in `dtype`."""

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
    """Return whether a device runs a bidirectional LSTM under autocast to `dtype`.

    Args:
        device: the device.
        dtype: type of the products; the weights are float32.
        width: width of the input.
        hidden: width of the states, in each direction.
        depth: number of layers.
    """
    with torch.random.fork_rng(devices=[]):  # the weights it draws are not used
        lstm = torch.nn.LSTM(width, hidden, depth, bidirectional=True).to(device)

    def read(x: Tensor) -> Tensor:
        with torch.autocast(device.type, dtype=dtype):
            return run_lstm(lstm, x)

    return can_compute(read, torch.zeros(2, width, device=device))


def run_lstm(lstm: torch.nn.Module, states: Tensor) -> Tensor:
    """Return the output of an LSTM for states [length, width].

    Without cuDNN, whose backward pass requires training mode and whose weights must be contiguous.
    """
    with torch.backends.cudnn.flags(enabled=False):
        read: Tensor = lstm(states)[0]
    return read
