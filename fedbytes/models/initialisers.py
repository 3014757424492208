"""Initial values of trained tensors."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from fedbytes.models.adapter import AnyInitial, Initial, JointInitial


def draw_tensors(
    initials: Sequence[AnyInitial],
    tensors: Sequence[Tensor],
    rngs: Sequence[np.random.Generator],
) -> list[Tensor]:
    """Return the initial value of each tensor.

    Args:
        initials: one per tensor; tensors with the same `JointInitial` are drawn by one call.
        tensors: present values.
        rngs: a random stream per tensor.
    """
    drawn: dict[int, Tensor] = {}
    for index, initial in enumerate(initials):
        if not isinstance(initial, JointInitial):
            drawn[index] = initial(rngs[index], tensors[index])
        elif index not in drawn:
            group = [i for i, other in enumerate(initials) if other is initial]
            values = initial.draw([rngs[i] for i in group], [tensors[i] for i in group])
            drawn.update(zip(group, values, strict=True))
    return [drawn[index] for index in range(len(initials))]


def keep_value(_rng: np.random.Generator, held: Tensor) -> Tensor:
    """Return the present value."""
    return held


def fill_zeros(_rng: np.random.Generator, like: Tensor) -> Tensor:
    """Return zeros."""
    return torch.zeros(like.shape)


def fill_ones(_rng: np.random.Generator, like: Tensor) -> Tensor:
    """Return ones."""
    return torch.ones(like.shape)


def draw_uniform(dim: int, gain: float = 1.0) -> Initial:
    """Return an initial value that draws from U(-b, b) with b = gain / sqrt(size of `dim`)."""
    return lambda rng, like: draw_uniform_below(gain / math.sqrt(like.shape[dim]))(rng, like)


def draw_uniform_below(bound: float) -> Initial:
    """Return an initial value that draws from U(-bound, bound)."""

    def draw(rng: np.random.Generator, like: Tensor) -> Tensor:
        drawn = rng.uniform(-bound, bound, tuple(like.shape)).astype(np.float32)
        return torch.from_numpy(drawn)

    return draw


def draw_normal(deviation: float) -> Initial:
    """Return an initial value that draws from a normal distribution around 0."""

    def draw(rng: np.random.Generator, like: Tensor) -> Tensor:
        drawn = rng.normal(0.0, deviation, tuple(like.shape)).astype(np.float32)
        return torch.from_numpy(drawn)

    return draw
