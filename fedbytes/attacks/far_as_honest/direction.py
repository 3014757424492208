"""The direction in which attackers leave the honest mean."""

from typing import Literal

import torch
from torch import Tensor

AwayFrom = Literal["deviation", "mean", "sign"]
"""Minus the standard deviation of each number, minus the mean, or minus the signs of the mean."""


def direction_of(kind: AwayFrom, mean: Tensor, deviation: Tensor) -> Tensor:
    """Return a direction of norm 1 [numel], or 0 where there is none, float64."""
    away = {"deviation": deviation, "mean": mean, "sign": torch.sign(mean)}[kind]
    norm = torch.linalg.vector_norm(away)
    return -away / norm if norm > 0 else torch.zeros_like(away)
