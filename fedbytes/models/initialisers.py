"""How trained tensors get their initial values."""

import math

import numpy as np
import torch
from torch import Tensor

from fedbytes.models.adapter import Initial


def as_it_is(_rng: np.random.Generator, held: Tensor) -> Tensor:
    """Return the value that the tensor has."""
    return held


def zeros(_rng: np.random.Generator, like: Tensor) -> Tensor:
    """Return zeros."""
    return torch.zeros(like.shape)


def ones(_rng: np.random.Generator, like: Tensor) -> Tensor:
    """Return ones."""
    return torch.ones(like.shape)


def uniform(dim: int, gain: float = 1.0) -> Initial:
    """Return draws from U(-b, b) with b = gain / sqrt(size of `dim`)."""
    return lambda rng, like: uniform_below(gain / math.sqrt(like.shape[dim]))(rng, like)


def uniform_below(bound: float) -> Initial:
    """Return draws from U(-bound, bound)."""

    def draw(rng: np.random.Generator, like: Tensor) -> Tensor:
        drawn = rng.uniform(-bound, bound, tuple(like.shape)).astype(np.float32)
        return torch.from_numpy(drawn)

    return draw


def normal(deviation: float) -> Initial:
    """Return draws from a normal distribution around 0."""

    def draw(rng: np.random.Generator, like: Tensor) -> Tensor:
        drawn = rng.normal(0.0, deviation, tuple(like.shape)).astype(np.float32)
        return torch.from_numpy(drawn)

    return draw
