"""Whether a model gives clients side by side what it gives each alone, found by trying it."""

import numpy as np
import torch
from torch import Tensor

from fedbytes.data.tokens.encoded import EncodedSplit, Rows
from fedbytes.models.base.text_states import errors_of_model
from fedbytes.models.batching import make_batch
from fedbytes.models.trainable import TrainableModel
from fedbytes.streams import stream

_TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.1}
"""Relative difference of gradients; float32 ones differ by 1e-6 where clients do not mix."""
_STRAY = 0.05
"""How far clients' vectors are from the initial one, so that no gradient is zero."""


def check_side_by_side(model: TrainableModel, name: str) -> None:
    """Compare losses and gradients of two clients side by side with those of each alone.

    Their batches have texts of all lengths, and one has fewer than the other. Models in which rows
    mix are found so: experts that gather tokens, or states that depend on a batch's padding.

    Args:
        model: what is to be trained; its vector is overwritten.
        name: as written in the configuration.

    Raises:
        ValueError: if they differ, or the model raises an error, in one line.
    """
    batches = _batches(model.task.train)
    draws = [stream(model.seed, "side by side", client) for client in range(len(batches))]
    strays = [
        torch.from_numpy(rng.normal(0, _STRAY, model.layout.numel).astype(np.float32))
        for rng in draws
    ]
    starts = torch.stack([model.initial_state.float().cpu() + stray for stray in strays])
    with errors_of_model(name, "cannot train clients side by side (set clients_at_once=1)"):
        alone = torch.stack([_gradient(model, *one) for one in zip(starts, batches, strict=True)])
        with model.side_by_side(starts) as stacked:
            stacked.backward(stacked.losses(batches))
            together = stacked.gradients.cpu()
    differences = (alone - together).norm(dim=1) / alone.norm(dim=1).clamp(min=1e-12)
    worst = float(differences.max())
    if not worst <= _TOLERANCE.get(model.dtype, 0.1):
        raise ValueError(
            f"clients_at_once: model {name!r} gives clients side by side other gradients than each "
            f"alone (they differ by {worst:.1%}), as its texts do not stay apart: set "
            "clients_at_once=1"
        )


def _batches(split: EncodedSplit) -> list[Rows]:
    """Return two batches of unequal size, each with short and long texts."""
    order = np.argsort(split.lengths, kind="stable")
    chosen = order[np.linspace(0, len(order) - 1, min(5, len(order))).round().astype(np.int64)]
    return [chosen[::2], chosen[1::2] if len(chosen) > 1 else chosen]


def _gradient(model: TrainableModel, start: Tensor, rows: Rows) -> Tensor:
    model.set_state(start)
    gradient = model.flat.grad
    assert gradient is not None
    gradient.zero_()
    model.loss(make_batch(model.task.train, rows, model.device)).backward()  # type: ignore[no-untyped-call]
    found = gradient.cpu().clone()
    gradient.zero_()
    return found
