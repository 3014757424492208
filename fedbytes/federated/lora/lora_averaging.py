"""The base class of algorithms that use LoRA's factors."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from fedbytes.compression.layout import Layout
from fedbytes.federated.algorithm import ClientMemory, Compatibility, Trained
from fedbytes.federated.averaging import Averaging, Correct
from fedbytes.federated.hooks import Upload
from fedbytes.federated.lora.subspace import Reduced, part_of_model
from fedbytes.federated.trainable import Trainable
from fedbytes.models.adapter_parts.lora_layers import LoraLayers, LoraPair

Factors = tuple[Tensor, Tensor]
"""B [out, k] and A [k, in]."""

EXAMPLE: dict[str, Any] = {"local_steps": 2, "batch_size": 8, "learning_rate": 0.01}
"""Model that the contract trains."""


def lora_of(model: Trainable, algorithm: str) -> LoraLayers:
    """Return the layers of a model that have LoRA factors.

    Raises:
        ValueError: if there are none.
    """
    layers: LoraLayers | None = getattr(model, "lora", None)
    if layers is None or not layers.pairs:
        raise ValueError(_no_factors(algorithm))
    return layers


def _no_factors(algorithm: str) -> str:
    return (
        f"algorithm {algorithm!r} needs adapter lora with both factors trained "
        "(adapter: {name: lora, rank: 8})"
    )


def shares(uploads: Sequence[Upload]) -> list[float]:
    """Return each client's weight in the mean: its share of the examples."""
    total = sum(upload.examples for upload in uploads)
    return [upload.examples / total for upload in uploads]


def mean(weights: Sequence[float], tensors: Sequence[Tensor]) -> Tensor:
    """Return the weighted sum of tensors of one shape."""
    total = torch.zeros_like(tensors[0])
    for weight, tensor in zip(weights, tensors, strict=True):
        total.add_(tensor, alpha=weight)
    return total


def stack(weights: Sequence[float], factors: Sequence[Factors]) -> Factors:
    """Return the factors whose product is the weighted sum of products; B carries the weights."""
    left = torch.cat([w * b for w, (b, _) in zip(weights, factors, strict=True)], dim=1)
    return left, torch.cat([a for _, a in factors])


def with_rank(factors: Factors, rank: int) -> Factors:
    """Return factors of just that rank, with zeros where the product has less."""
    lack = rank - len(factors[1])
    b, a = factors
    pad = torch.nn.functional.pad
    return (pad(b, (0, lack)), pad(a, (0, 0, 0, lack))) if lack else factors


def top_factors(factors: Factors, rank: int) -> Factors:
    """Return U S [out, r] and V^T [r, in] of the product's first singular directions.

    r is `rank`, or what the product can have at most. The product is never formed where the
    factors are thin. Each direction's sign is such that the largest entry of V is positive.
    """
    b, a = (factor.double() for factor in factors)
    q_left, r_left = torch.linalg.qr(b)
    q_right, r_right = torch.linalg.qr(a.T)
    u, s, vh = torch.linalg.svd(r_left @ r_right.T, full_matrices=False)
    left, right = (q_left @ (u * s))[:, :rank], (vh @ q_right.T)[:rank]
    largest = right.gather(1, right.abs().argmax(1, keepdim=True))
    sign = torch.where(largest < 0, -1.0, 1.0)
    return (left * sign.T).float().contiguous(), (right * sign).float().contiguous()


@dataclass(frozen=True)
class LoraAveraging(Averaging):
    """FedAvg of models that have LoRA factors."""

    examples: ClassVar[tuple[dict[str, Any], ...]] = (EXAMPLE,)

    def synced_layout(self, model: Trainable) -> Layout:
        """Return the trained tensors.

        Raises:
            ValueError: if the model has no LoRA factors.
        """
        lora_of(model, self.name)
        return model.layout

    def pairs(self, model: Trainable) -> tuple[LoraPair, ...]:
        """Return the model's pairs of factors."""
        return lora_of(model, self.name).pairs

    def refuses(self, compatibility: Compatibility) -> str | None:
        """Refuse an adapter that is known to train no pairs of factors."""
        if compatibility.adapter is not None and not compatibility.adapter.trains_factors():
            return _no_factors(self.name)
        return super().refuses(compatibility)

    def heads(self, model: Trainable) -> list[str]:
        """Return the names of the trained tensors that are no factors: the task's head."""
        factors = {name for pair in self.pairs(model) for name in (pair.a, pair.b)}
        return [name for name in model.layout.names if name not in factors]

    def train_part(
        self,
        model: Trainable,
        part: Layout,
        whole: Tensor,
        indices: np.ndarray,
        memory: ClientMemory,
        rng: np.random.Generator,
    ) -> Trained:
        """Train the tensors of `part` from their values in `whole`; the others stay as there.

        Returns:
            the part's delta `[part.numel]`.
        """
        reduced, start = part_of_model(model, part, whole)
        return self.local_reduced(reduced, start, indices, memory, rng)

    def local_reduced(
        self,
        reduced: Reduced,
        start: Tensor,
        indices: np.ndarray,
        memory: ClientMemory,
        rng: np.random.Generator,
        correct: Correct | None = None,
    ) -> Trained:
        """Take the local steps in a reduced vector `[numel]`; leave the model where they end.

        `correct` changes the reduced gradient in place.
        """

        def collect(flat: Tensor, gradient: Tensor) -> None:
            reduced.collect(flat, gradient)
            if correct is not None:
                correct(flat, gradient)

        trained = self.local(reduced, start, indices, memory, rng, correct=collect)
        reduced.settle()
        return trained


@dataclass(frozen=True)
class PlainServer(LoraAveraging):
    """A server that puts factors together itself and has no optimiser after that."""

    def __post_init__(self) -> None:
        super().__post_init__()
        plain: dict[str, Any] = {
            "server_optimizer": "sgd",
            "server_learning_rate": 1.0,
            "server_momentum": 0.0,
        }
        for key, value in plain.items():
            if getattr(self, key) != value:
                raise ValueError(
                    f"algorithm {self.name!r} has no server optimiser: leave {key} at {value}, "
                    f"got {getattr(self, key)}"
                )


def no_feedback(name: str, compatibility: Compatibility, up: str, down: str) -> str | None:
    """Return why memories around the links cannot help an algorithm, or None.

    Args:
        name: the algorithm.
        compatibility: the links.
        up: why an uplink's memory cannot, empty if it can.
        down: why a downlink's error feedback cannot, empty if it can.
    """
    if up and (compatibility.up_feedback or compatibility.up_momentum):
        return f"algorithm {name!r} {up}: set uplink.error_feedback=false and no momentum"
    if down and compatibility.down_feedback:
        return f"algorithm {name!r} {down}: set downlink.error_feedback=false"
    return None
