"""Training fewer numbers than the model has: what is trained fills the model before each step."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fedbytes.compression.layout import Layout
from fedbytes.federated.lora.named_tensors import pack_tensors, unpack_tensors
from fedbytes.federated.trainable import Trainable, scratch_of

Linear = Callable[[Tensor], Tensor]


def part_of_model(model: Trainable, part: Layout, whole: Tensor) -> tuple["Reduced", Tensor]:
    """Return the tensors of `part` as what is trained, and their values in `whole`.

    The others stay as they are in `whole` [model.layout.numel].
    """
    fixed = unpack_tensors(model.layout, whole.to(model.flat.device))

    def fill(vector: Tensor) -> Tensor:
        return pack_tensors(model.layout, fixed | unpack_tensors(part, vector))

    def pull(gradient: Tensor) -> Tensor:
        return pack_tensors(part, unpack_tensors(model.layout, gradient))

    start = pack_tensors(part, unpack_tensors(model.layout, whole))
    return Reduced(model, part.numel, fill, pull), start


class Reduced:
    """A vector of its own `[numel]` that stands for the model's whole one, for local steps.

    The optimiser sees what is trained and nothing else, so neither weight decay nor a moment
    reaches the rest.

    Args:
        model: what is trained; its vector is overwritten.
        numel: length of the reduced vector.
        fill: reduced vector -> the model's `[model.layout.numel]`, on the model's device.
        pull: gradient of the model's vector -> that of the reduced one.
    """

    def __init__(self, model: Trainable, numel: int, fill: Linear, pull: Linear) -> None:
        self.model, self._fill, self._pull = model, fill, pull
        # Optimisers may keep pages with a vector, so the model keeps one for each length.
        self.scratch = scratch_of(model)
        held: dict[int, nn.Parameter] = self.scratch.setdefault("subspace: vectors", {})
        if numel not in held:
            held[numel] = nn.Parameter(torch.zeros(numel, device=model.flat.device))
        self.flat = held[numel]
        self.flat.grad = torch.zeros_like(self.flat)

    def set_state(self, state: Tensor) -> None:
        """Load a reduced vector."""
        self.flat.data.copy_(state)

    def loss(self, batch: Any) -> Tensor:
        """Return the model's loss where the reduced vector fills it."""
        self.settle()
        return self.model.loss(batch)

    def settle(self) -> None:
        """Put into the model what the reduced vector stands for."""
        with torch.no_grad():
            self.model.set_state(self._fill(self.flat.detach()))

    def batches(
        self, indices: np.ndarray, batch_size: int, rng: np.random.Generator
    ) -> Iterator[Any]:
        """Yield the model's batches."""
        return self.model.batches(indices, batch_size, rng)

    def collect(self, _flat: Tensor, gradient: Tensor) -> None:
        """Turn the gradient of the model's vector into that of the reduced one, for `correct`."""
        whole = self.model.flat.grad
        assert whole is not None
        gradient.copy_(self._pull(whole))
        whole.zero_()
