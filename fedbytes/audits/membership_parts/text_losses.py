"""What a model makes of each text, token by token, and the gradient that a text asks for."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fedbytes.arrays import Doubles

_ROWS = {"classification": 64, "causal-lm": 8}
"""Texts that are read at once: of a language model each token has as many scores as there are."""


@dataclass(frozen=True)
class TextLoss:
    """What a model predicted of one text.

    Attributes:
        log_likelihoods: of each target, float64 [targets]: of the class, or of each next token.
        means: the mean log-likelihood of what the model itself would draw there, likewise.
        deviations: its standard deviation.
    """

    log_likelihoods: Doubles
    means: Doubles
    deviations: Doubles

    @property
    def loss(self) -> float:
        """The mean negative log-likelihood."""
        return float(-self.log_likelihoods.mean()) if len(self.log_likelihoods) else 0.0


def text_losses(model: Any, rows: np.ndarray) -> list[TextLoss]:
    """Return what a model, as it is, makes of some of its training texts, in their order.

    Args:
        model: a `fedbytes.models.TrainableModel`.
        rows: of its training split, each once.
    """
    found: dict[int, TextLoss] = {}
    size = _ROWS[model.task.kind]
    batches = model.batches(rows, size, np.random.default_rng(0))  # the order is no result
    with torch.inference_mode():
        for _ in range(-(-len(rows) // size)):
            batch = next(batches)
            found |= dict(zip(batch.rows.tolist(), _losses(model, batch), strict=True))
    return [found[row] for row in rows.tolist()]


def _losses(model: Any, batch: Any) -> list[TextLoss]:
    scores: Tensor = model.predictions(batch)
    if batch.labels is None:
        start = batch.scores_from
        targets = batch.targets[:, start:][:, 1:].bool()
        wanted = batch.tokens[:, start:][:, 1:][targets]
        counts = targets.sum(1).tolist()
    else:
        wanted, counts = batch.labels, [1] * len(batch.labels)
    likelihoods = scores.gather(1, wanted[:, None])[:, 0]
    if batch.labels is not None:
        likelihoods = _unrounded(scores.double(), wanted)
    chances = scores.exp()
    means = (chances * scores).sum(1)
    deviations = (chances * scores.square()).sum(1).sub(means.square()).clamp(min=0).sqrt()
    ends = np.cumsum(counts)[:-1]
    columns = [
        np.split(one.double().cpu().numpy(), ends) for one in (likelihoods, means, deviations)
    ]
    return [TextLoss(*row) for row in zip(*columns, strict=True)]


def _unrounded(scores: Tensor, wanted: Tensor) -> Tensor:
    """Return the log-likelihood of a class by its odds against all others, float64 [predictions].

    That of a class that is all but certain is 0 in float32, so that the texts that a model knows
    best would tie. Odds of e^30 give -9e-14.
    """
    others = scores.scatter(1, wanted[:, None], float("-inf")).logsumexp(1)
    odds = scores.gather(1, wanted[:, None])[:, 0] - others
    return -torch.nn.functional.softplus(-odds)


def wanted_gradients(model: Any, rows: np.ndarray) -> Iterator[Tensor]:
    """Yield the gradient of each training text's loss at what a model holds, float32 [numel].

    What `model.flat.grad` held is lost; use it within `borrowed`.
    """
    for row in rows:
        batch = next(model.batches(np.array([row]), 1, np.random.default_rng(0)))
        model.flat.grad.zero_()
        model.loss(batch).backward()
        yield model.flat.grad.clone()


@contextmanager
def borrowed(model: Any, vector: Tensor) -> Iterator[None]:
    """Have a model hold another vector [numel] within a block, and leave it as it was."""
    held, gradient = model.flat.detach().clone(), model.flat.grad.clone()
    model.set_state(vector)
    try:
        yield
    finally:
        model.set_state(held)
        model.flat.grad.copy_(gradient)
