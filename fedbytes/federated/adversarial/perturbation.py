"""Shifts of a batch's inputs within a ball, and how they climb a loss."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from fedbytes.federated.trainable import Perturbable
from fedbytes.models.shifted_embeddings import Shift

_TINY = 1e-30


class Perturbation:
    """A shift of inputs, no example's longer than `eps` times the example's input itself.

    Lengths are L2 norms over all of an example's numbers that are no padding, so that `eps` means
    the same for models whose embeddings have another scale: 0.1 of a text whose embeddings have
    norm 20 together is a shift of norm 2. It starts uniformly within a cube inside the ball, at
    the inputs that it is first called with, and stays of that shape.

    Args:
        eps: radius of the ball, in norms of the example's input; 0 for a shift of zero.
        rng: draws the start.

    Attributes:
        delta: the shift, float32 of the inputs' shape and with a gradient; None before the first
            call.
    """

    def __init__(self, eps: float, rng: np.random.Generator) -> None:
        self.eps, self._rng = eps, rng
        self.delta: Tensor | None = None
        self._seen = self._size = torch.empty(0)

    def __call__(self, inputs: Tensor, mask: Tensor) -> Tensor:
        """Return the inputs [batch, …] with the shift added where the mask [batch, …] is 1."""
        if self.delta is None:
            self.delta = self._begin(inputs.detach().float(), mask)
        return inputs + self.delta.to(inputs.dtype)

    def climb(self, gradient: Tensor, alpha: float) -> None:
        """Step `alpha` norms of the input along each example's gradient, and back into the ball."""
        way = gradient.float() * self._seen
        moved = self._begun().detach() + alpha * self._size * way / _lengths(way).clamp_min(_TINY)
        radius = self.eps * self._size
        inside = (radius / _lengths(moved).clamp_min(_TINY)).clamp_max(1.0)
        self.delta = (moved * inside).requires_grad_()

    def climb_loss(self, value: Tensor, alpha: float) -> None:
        """Climb a loss of inputs that were shifted; no parameter gets a gradient."""
        (gradient,) = torch.autograd.grad(value, self._begun())
        self.climb(gradient, alpha)

    def climb_collected(self, alpha: float) -> None:
        """Climb along the gradient that a backward pass has left in `delta.grad`."""
        gradient = self._begun().grad
        assert gradient is not None
        self.climb(gradient, alpha)

    def fixed(self) -> Shift:
        """Return the shift where it is now, without a gradient of its own.

        Raises:
            ValueError: if it has not begun.
        """
        delta = self._begun().detach()
        return lambda inputs, _mask: inputs + delta.to(inputs.dtype)

    def _begun(self) -> Tensor:
        if self.delta is None:
            raise ValueError("the model has not read its inputs: nothing is perturbed")
        return self.delta

    def _begin(self, inputs: Tensor, mask: Tensor) -> Tensor:
        self._seen = mask.to(inputs).reshape(*mask.shape, *[1] * (inputs.ndim - mask.ndim))
        self._seen = self._seen.expand_as(inputs)
        self._size = _lengths(inputs * self._seen)
        drawn = self._rng.uniform(-1.0, 1.0, tuple(inputs.shape)).astype(np.float32)
        numbers = _lengths(self._seen).clamp_min(1.0)  # the root of how many there are
        start = torch.from_numpy(drawn).to(inputs.device) * self._seen
        return (start * (self.eps * self._size / numbers)).requires_grad_()


def climb_objective(
    model: Perturbable,
    objective: Callable[[], Tensor],
    shift: Perturbation,
    steps: int,
    alpha: float,
    states: bool = False,
) -> None:
    """Have a shift climb what `objective()` is of the shifted inputs; no parameter gets a gradient.

    Args:
        model: reads the shifted inputs.
        objective: a scalar, with a graph.
        shift: changed in place.
        steps: gradients that it takes.
        alpha: length of a step, in norms of the input.
        states: shift what the lowest trained layer reads (see `Perturbable`).
    """
    for _ in range(steps):
        with model.shifted_inputs(shift, states):
            value = objective()
        shift.climb_loss(value, alpha)


def _lengths(vectors: Tensor) -> Tensor:
    """Return each example's norm [batch, 1, …]."""
    flat: Tensor = vectors.flatten(1).norm(dim=1)
    return flat.reshape(-1, *[1] * (vectors.ndim - 1))
