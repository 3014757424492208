"""Server optimisers: the mean of the deltas in, the global update out.

The mean delta takes the place of a negative gradient (Reddi et al. 2021, Adaptive Federated
Optimization, arXiv 2003.00295).
"""

from collections.abc import Callable

import torch
from torch import Tensor

ServerMemory = dict[str, Tensor]
Accumulate = Callable[[Tensor, Tensor], Tensor]
ADAPTIVE = ("adam", "adagrad", "yogi")
RATE, BETA1, BETA2, TAU = 0.01, 0.9, 0.99, 1e-3
"""Of the adaptive ones where none are given: the paper's decays and tau; it tunes the rate."""


def sgd(
    mean: Tensor, state: ServerMemory, *, learning_rate: float, momentum: float
) -> tuple[Tensor, ServerMemory]:
    """SGD with heavy-ball momentum; learning rate 1 and momentum 0 is FedAvg."""
    if momentum == 0.0:
        return mean * learning_rate, state
    velocity = mean + momentum * state.get("velocity", torch.zeros_like(mean))
    return velocity * learning_rate, {"velocity": velocity}


def nesterov(
    mean: Tensor, state: ServerMemory, *, learning_rate: float, momentum: float
) -> tuple[Tensor, ServerMemory]:
    """SGD with Nesterov momentum as PyTorch and DiLoCo have it: v = mean + m v; mean + m v moves.

    Nesterov's own form looks ahead before the gradient; here the model that clients are sent is
    already the one looked ahead to (Sutskever et al. 2013, with the variables exchanged).
    """
    velocity = mean + momentum * state.get("velocity", torch.zeros_like(mean))
    return learning_rate * (mean + momentum * velocity), {"velocity": velocity}


def adaptive(
    mean: Tensor,
    state: ServerMemory,
    accumulate: Accumulate,
    *,
    learning_rate: float,
    beta1: float = BETA1,
    tau: float = TAU,
    initial: float | None = None,
) -> tuple[Tensor, ServerMemory]:
    """Scale a running mean by what squares of means add up to; no bias correction, as in the paper.

    Args:
        mean: of the clients' deltas [numel].
        state: `first` and `second`.
        accumulate: the next second moment, from the last one and the square of `mean`.
        learning_rate: of the server.
        beta1: decay of the first moment.
        tau: added to the root; the larger, the less adaptive.
        initial: the second moment at first; None for tau², the least that the paper allows.
    """
    first = state.get("first", torch.zeros_like(mean))
    start = tau**2 if initial is None else initial
    second = state.get("second", torch.full_like(mean, start))
    first = beta1 * first + (1 - beta1) * mean
    second = accumulate(second, mean.square())
    return learning_rate * first / (second.sqrt() + tau), {"first": first, "second": second}


def adagrad(second: Tensor, square: Tensor) -> Tensor:
    """Return the sum of all squares."""
    return second + square


def adam(second: Tensor, square: Tensor, beta2: float = BETA2) -> Tensor:
    """Return the running mean of squares."""
    return beta2 * second + (1 - beta2) * square


def yogi(second: Tensor, square: Tensor, beta2: float = BETA2) -> Tensor:
    """Return a second moment that moves by the square, whatever its own size."""
    return second - (1 - beta2) * square * torch.sign(second - square)
