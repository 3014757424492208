"""Learning rates that change along a run: a linear warm-up, then a cosine."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Schedule:
    """The share of the learning rate that a step has, by its number in the whole run.

    Attributes:
        warmup: steps of linear warm-up; step 0 has 1 / (warmup + 1).
        total: steps, warm-up included, after which the cosine has come down; None for no cosine.
        final: share that is left from there on.
    """

    warmup: int = 0
    total: int | None = None
    final: float = 0.1

    def __post_init__(self) -> None:
        if self.total is not None and self.total <= self.warmup:
            raise ValueError(
                f"total_steps must be more than warmup_steps={self.warmup}, got {self.total}; "
                "leave it out for a constant learning rate"
            )

    def share(self, step: int) -> float:
        """Return the share of the learning rate that step `step` (from 0) of the run has."""
        if step < self.warmup:
            return (step + 1) / (self.warmup + 1)
        if self.total is None:
            return 1.0
        done = min((step - self.warmup) / (self.total - self.warmup), 1.0)
        return self.final + (1 - self.final) * (1 + math.cos(math.pi * done)) / 2


@contextmanager
def following(optimizer: torch.optim.Optimizer, schedule: Schedule, first: int) -> Iterator[None]:
    """Within the block, give each of the optimiser's steps its share of the learning rate.

    Args:
        optimizer: its groups have the whole learning rate.
        schedule: the shares.
        first: number of the block's first step in the run.
    """
    whole = [group["lr"] for group in optimizer.param_groups]
    taken = 0

    def set_rate(*_: Any) -> None:
        nonlocal taken
        share = schedule.share(first + taken)
        taken += 1
        for group, rate in zip(optimizer.param_groups, whole, strict=True):
            group["lr"] = rate * share

    handle = optimizer.register_step_pre_hook(set_rate)
    try:
        yield
    finally:
        handle.remove()
        for group, rate in zip(optimizer.param_groups, whole, strict=True):
            group["lr"] = rate
