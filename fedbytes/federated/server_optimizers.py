"""Server optimisers: the mean of the deltas in, the global update out.

The mean delta takes the place of a negative gradient (Reddi et al. 2021, Adaptive Federated
Optimization, arXiv 2003.00295).
"""

import torch
from torch import Tensor

ServerState = dict[str, Tensor]


def sgd(
    mean: Tensor, state: ServerState, *, learning_rate: float, momentum: float
) -> tuple[Tensor, ServerState]:
    """SGD with heavy-ball momentum; learning rate 1 and momentum 0 is FedAvg."""
    if momentum == 0.0:
        return mean * learning_rate, state
    velocity = mean + momentum * state.get("velocity", torch.zeros_like(mean))
    return velocity * learning_rate, {"velocity": velocity}


def nesterov(
    mean: Tensor, state: ServerState, *, learning_rate: float, momentum: float
) -> tuple[Tensor, ServerState]:
    """SGD with Nesterov momentum as PyTorch and DiLoCo have it: v = mean + m v; mean + m v moves.

    Nesterov's own form looks ahead before the gradient; here the model that clients are sent is
    already the one looked ahead to (Sutskever et al. 2013, with the variables exchanged).
    """
    velocity = mean + momentum * state.get("velocity", torch.zeros_like(mean))
    return learning_rate * (mean + momentum * velocity), {"velocity": velocity}


def adam(
    mean: Tensor,
    state: ServerState,
    *,
    learning_rate: float,
    beta1: float = 0.9,
    beta2: float = 0.99,
    tau: float = 1e-3,
) -> tuple[Tensor, ServerState]:
    """FedAdam, without bias correction as in the paper; `tau` is its degree of adaptivity."""
    first = state.get("first", torch.zeros_like(mean))
    second = state.get("second", torch.full_like(mean, tau**2))
    first = beta1 * first + (1 - beta1) * mean
    second = beta2 * second + (1 - beta2) * mean.square()
    return learning_rate * first / (second.sqrt() + tau), {"first": first, "second": second}
