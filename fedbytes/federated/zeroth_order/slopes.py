"""Slopes of a loss along directions, from forward passes alone."""

from typing import Any, Literal

import torch
from torch import Tensor

from fedbytes.federated.algorithm import Compatibility
from fedbytes.federated.trainable import Trainable
from fedbytes.federated.zeroth_order.directions import add_directions

FiniteDifference = Literal["forward", "central"]


def loss_at(model: Trainable, base: Tensor, keys: list[int], lengths: list[float], b: Any) -> float:
    """Return the loss of batch `b` at `base` plus lengths times directions.

    The model's own vector is written from `base` every time instead of being perturbed and taken
    back, so that no rounding adds up however many perturbations there are.
    """
    add_directions(model.flat, base, keys, lengths)
    with torch.no_grad():
        return float(model.loss(b))


def slopes(
    model: Trainable,
    base: Tensor,
    keys: list[int],
    batch: Any,
    radius: float,
    difference: FiniteDifference,
) -> tuple[list[float], float]:
    """Return the slope of the batch's loss along each direction, and the loss.

    Args:
        model: its own vector is overwritten.
        base: where, float32 [numel], on the model's device.
        keys: of the directions.
        batch: one of `model.batches`.
        radius: how far along a direction the loss is taken.
        difference: `forward`, (f(x + r z) - f(x)) / r, or `central`, half of
            (f(x + r z) - f(x - r z)) / r.
    """
    found, seen = [], []
    here = loss_at(model, base, [], [], batch) if difference == "forward" else 0.0
    for key in keys:
        above = loss_at(model, base, [key], [radius], batch)
        if difference == "forward":
            found.append((above - here) / radius)
            seen.append(here)
        else:
            below = loss_at(model, base, [key], [-radius], batch)
            found.append((above - below) / (2 * radius))
            seen.append((above + below) / 2)
    return found, sum(seen) / len(seen)


def refuse_memories(name: str, compatibility: Compatibility) -> str | None:
    """Return why messages whose numbers mean something else each round can have no memory."""
    for on, key in (
        (compatibility.up_feedback, "uplink.error_feedback=false"),
        (compatibility.up_momentum, "uplink.momentum=0"),
        (compatibility.down_feedback, "downlink.error_feedback=false"),
    ):
        if on:
            return (
                f"algorithm {name!r} sends numbers that mean something else every round, so a "
                f"sender has nothing to carry over: set {key}"
            )
    return None
