"""Local steps whose gradient is a noisy sum of texts' clipped gradients (Abadi et al. 2016)."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fedbytes.federated.per_example.gradients import (
    clipped,
    one_after_another,
    side_by_side,
    stay_apart,
)
from fedbytes.federated.trainable import Stackable
from fedbytes.privacy.dp.gaussian_noise import gaussian_noise
from fedbytes.privacy.gradient_noise import GradientNoise

_TRIED = 8
"""Texts that a client's first batch of a round is tried on, side by side and alone."""


class ExampleSteps:
    """Stands for a model's `batches` and `loss` in a client's round of local steps.

    A batch has each text by a coin of its own; it may be empty, and has noise all the same. Its
    "loss" has the private gradient, so that whatever takes steps by a loss takes private ones. Its
    value is 0: what the texts' losses are is covered by no noise, and an algorithm may send what it
    makes of them.

    Args:
        model: what is trained, before `batches` and `loss` are replaced.
        noise: what is done to gradients.
        rng: of the noise; nobody but the client can draw from it.

    Attributes:
        taken: steps whose gradient was asked for.
    """

    def __init__(self, model: Any, noise: GradientNoise, rng: np.random.Generator) -> None:
        self._model, self._noise, self._rng = model, noise, rng
        self._loss, self._batches = model.loss, model.batches
        self._together: bool | None = None
        self._batch_size = 1
        self.taken = 0

    def batches(
        self, indices: np.ndarray, batch_size: int, rng: np.random.Generator
    ) -> Iterator[np.ndarray]:
        """Yield the rows of batches without end, in each every text by a coin of its own.

        Args:
            indices: the client's texts.
            batch_size: how many a batch has on average; of fewer texts, a batch has all.
            rng: draws the coins.
        """
        own = np.asarray(indices, dtype=np.int64)
        self._batch_size = batch_size
        rate = min(batch_size, len(own)) / len(own)
        while True:
            yield own[rng.random(len(own)) < rate]

    def loss(self, rows: np.ndarray) -> Tensor:
        """Return a scalar of value 0 whose gradient is the private one.

        Args:
            rows: a batch that `batches` yielded.
        """
        self.taken += 1
        flat = self._model.flat
        total = torch.zeros_like(flat.detach())
        for gradients in self._gradients(rows):
            total += clipped(gradients, self._noise.clip).sum(0)
        noise = gaussian_noise(len(total), self._noise.deviation, self._rng)
        total += torch.from_numpy(noise.astype(np.float32)).to(total.device)
        # By what all know: by the texts that a small client has, its noise would tell their number.
        along: Tensor = (flat * (total / self._batch_size)).sum()
        return along - along.detach()

    def _gradients(self, rows: np.ndarray) -> Iterator[Tensor]:
        model = self._model
        stackable = isinstance(model, Stackable) and not model.one_at_a_time
        if not stackable or len(rows) < 2 or self._together is False:
            return one_after_another(model, rows, self._loss, self._batches)
        if self._together is None:
            tried = rows[:_TRIED]
            self._together = stay_apart(model, tried, self._loss, self._batches)
            return self._gradients(rows)
        return side_by_side(model, rows)
