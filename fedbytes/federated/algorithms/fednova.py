"""FedNova: what a client did is divided by how many steps it took."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from fedbytes.federated.algorithm import ALGORITHMS
from fedbytes.federated.averaging import Averaging
from fedbytes.federated.hooks import Upload


@ALGORITHMS.register("fednova")
@dataclass(frozen=True)
class FedNova(Averaging):
    """FedAvg of normalised deltas, without objective inconsistency (Wang et al. 2020, 2007.07481).

    With `local_epochs` a client with more examples takes more steps, and FedAvg weighs it twice:
    by its examples, and by how far it went. Here each delta is divided by the length that its
    steps accumulate (their number, or with momentum their coefficients' sum), and the mean is
    taken times the mean length. The length follows from the examples that a client reports, so
    nothing else travels. With `local_steps` all lengths are equal, which is FedAvg.
    """

    needs_each: ClassVar[bool] = True
    examples = ({"local_epochs": 2, "batch_size": 8, "learning_rate": 0.01, "momentum": 0.5},)

    optimizer: Literal["sgd"] = "sgd"
    """The theory is of SGD: Adam's steps have no length that is known beforehand."""

    def length(self, examples: int) -> float:
        """Return the L1 norm of what the coefficients of a client's gradients add up to."""
        steps, m = self.steps(examples), self.momentum
        if m == 0:
            return steps
        return (steps - m * (1 - m**steps) / (1 - m)) / (1 - m)

    def aggregate(self, uploads: list[Upload]) -> Tensor:
        """Return the mean of normalised deltas `[numel]` times the mean length."""
        total = sum(upload.examples for upload in uploads)
        lengths = [self.length(upload.examples) for upload in uploads]
        effective = sum(u.examples * n for u, n in zip(uploads, lengths, strict=True)) / total
        mean = torch.zeros_like(uploads[0].delta)
        for upload, length in zip(uploads, lengths, strict=True):
            mean.add_(upload.delta, alpha=upload.examples / total * (effective / length))
        return mean
