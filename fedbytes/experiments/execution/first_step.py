"""One step of a model on real texts, before any run of it begins."""

import numpy as np
import torch
from torch import Tensor

from fedbytes.models import Batch, TrainableModel
from fedbytes.models.base.device import autocast
from fedbytes.models.base.text_states import (
    check_weights_unwritten,
    errors_of_model,
    weight_versions,
)
from fedbytes.models.batching import make_batch
from fedbytes.models.heads.network import Classifier


def take_first_step(model: TrainableModel, name: str, rows: int) -> None:
    """Compute a loss and its gradient for the longest text and, unless `rows` is 1, the shortest.

    Args:
        model: the model, whose layers all run from now on.
        name: as written in the configuration.
        rows: texts of a batch in training, which memory has to suffice for.

    Raises:
        ValueError: if the model raises an error, returns other values for the same texts at a
            second time or values that are not finite, or writes to its frozen weights.
    """
    model.run_whole()
    split = model.task.test if model.task.unpacked else model.task.train
    lengths = split.lengths
    chosen = np.unique([int(lengths.argmax()), int(lengths.argmin())][: max(rows, 1)])
    batch = make_batch(split, chosen, model.device)
    before = weight_versions(model.network)
    long = " and ".join(str(length) for length in sorted(lengths[chosen], reverse=True))
    with errors_of_model(name, f"cannot be trained on texts of {long} tokens"):
        one, two = (_compute(model, batch) for _ in range(2))
        loss = model.loss(batch)
        if loss.requires_grad:
            loss.backward()  # type: ignore[no-untyped-call]
    check_weights_unwritten(model.network, before, name)
    if not torch.allclose(one, two, rtol=1e-3, atol=1e-3, equal_nan=True):
        raise ValueError(
            f"model {name!r} draws random numbers when it runs, or remembers earlier texts: its "
            "results could not be repeated, so use another model"
        )
    gradient = model.flat.grad
    if not loss.isfinite() or not (gradient is None or gradient.isfinite().all()):
        raise ValueError(
            f"model {name!r} has a loss of {float(loss.detach()):g} on texts of {long} tokens, or "
            "a gradient that is not finite: use another model, or model.precision=float32"
        )


def _compute(model: TrainableModel, batch: Batch) -> Tensor:
    """Return what a model computes for a batch, below a classifier's head, which starts at zero."""
    with torch.no_grad():
        if isinstance(model.network, Classifier):
            return model.features(batch)
        with autocast(model.device, model.dtype):
            scores: Tensor = model.network(batch.tokens, batch.mask)
        return scores.float()
