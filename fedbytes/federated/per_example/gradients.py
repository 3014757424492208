"""The gradient of each example of a batch, one after another or several in one pass."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fedbytes.federated.plugins.defense import LossOf
from fedbytes.federated.trainable import Stackable, Trainable

_MOST_NUMBERS = 2**25
"""Of gradients that are held at once, 128 MiB of float32."""
_TOLERANCE = 1e-3
"""Relative difference of float32 gradients; where rows do not mix it is 1e-6."""
_HALF_TOLERANCE = 0.1
"""The same where products are in bfloat16, which rounds a padded text another way."""
_CLOSE = 1e-5
"""By how much less than the bound a gradient is left, for what rounding may add."""

Batches = Callable[[np.ndarray, int, np.random.Generator], Iterator[Any]]


def one_after_another(
    model: Trainable, rows: np.ndarray, loss: LossOf, batches: Batches
) -> Iterator[Tensor]:
    """Yield the gradient of each example [1, numel], by a pass for each.

    That is right for whatever the model is. `model.flat.grad` is left as it was.

    Args:
        model: at the vector where gradients are taken.
        rows: the examples.
        loss: the model's, of a batch.
        batches: the model's own.
    """
    held = model.flat.grad
    assert held is not None
    before = held.clone()
    for row in rows:
        held.zero_()
        loss(_alone(batches, row)).backward()  # type: ignore[no-untyped-call]
        yield held.detach().clone().unsqueeze(0)
    held.copy_(before)


def side_by_side(model: Stackable, rows: np.ndarray) -> Iterator[Tensor]:
    """Yield gradients [some, numel] of examples, each as a client of its own.

    The model's vector stands side by side with itself, once for each example; as many at a time as
    there is room for.

    Args:
        model: at the vector where gradients are taken.
        rows: the examples.
    """
    vector = model.flat.detach()
    some = max(1, _MOST_NUMBERS // max(1, vector.numel()))
    for first in range(0, len(rows), some):
        chosen = rows[first : first + some]
        with model.side_by_side(vector.expand(len(chosen), -1)) as stacked:
            losses = stacked.losses([_alone(stacked.batches, row) for row in chosen])
            stacked.backward(losses)
            yield stacked.gradients[: len(chosen)]


def stay_apart(model: Stackable, rows: np.ndarray, loss: LossOf, batches: Batches) -> bool:
    """Return whether a model gives examples side by side what it gives each alone.

    It does not where rows of a batch mix: experts that gather tokens, or states that depend on how
    much padding there is. Then the gradient that is clipped for one text would be of others, too.

    Args:
        model: as for `one_after_another`, as are the others.
        rows: examples that it is tried on.
        loss: of a batch.
        batches: the model's own.
    """
    alone = torch.cat([*one_after_another(model, rows, loss, batches)])
    together = torch.cat([*side_by_side(model, rows)])
    exact = getattr(model, "dtype", torch.float32) == torch.float32
    most = _TOLERANCE if exact else _HALF_TOLERANCE
    gaps = (alone - together).norm(dim=1) / alone.norm(dim=1).clamp(min=1e-12)
    return bool((gaps <= most).all())


def clipped(gradients: Tensor, most: float) -> Tensor:
    """Return gradients [examples, numel], each shortened to an L2 norm of at most `most`.

    One that is not finite becomes zero: a sum with it would tell that its text is there. At a bound
    of 1, [3, 4] becomes [0.6, 0.8] (to five digits).
    """
    norms = torch.linalg.vector_norm(gradients, dim=1)
    shares = (most * (1 - _CLOSE) / norms.clamp(min=torch.finfo(norms.dtype).tiny)).clamp(max=1.0)
    finite = norms.isfinite().unsqueeze(1)
    return torch.where(finite, gradients * shares.unsqueeze(1), torch.zeros_like(gradients))


def _alone(batches: Batches, row: np.int64) -> Any:
    """Return the batch of one example."""
    return next(batches(np.array([row]), 1, np.random.default_rng(0)))
