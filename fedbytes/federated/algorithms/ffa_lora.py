"""FFA-LoRA: A stays as it was drawn, B is trained and sent."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from fedbytes.compression.layout import Layout
from fedbytes.federated.algorithm import ALGORITHMS, ClientMemory, Trained
from fedbytes.federated.context import RoundContext
from fedbytes.federated.lora.lora_averaging import LoraAveraging
from fedbytes.federated.lora.named_tensors import pack_tensors, select, unpack_tensors
from fedbytes.federated.trainable import Trainable


@ALGORITHMS.register("ffa_lora")
@dataclass(frozen=True)
class FFALora(LoraAveraging):
    """Only B is trained, with an A that never moves (Sun et al. 2024, arXiv 2403.12313).

    Both ends draw A from the run's seed, so it is never sent: about half of LoRA's bytes. Since all
    clients have the same A, the mean of B gives the mean of the products.
    """

    def synced_layout(self, model: Trainable) -> Layout:
        """Return the layout of every B and of the head."""
        return select(model.layout, {p.b for p in self.pairs(model)} | {*self.heads(model)})

    def initial(self, model: Trainable, seed: int) -> Tensor:
        """Return B at zero and the head as drawn."""
        return pack_tensors(
            self.synced_layout(model), unpack_tensors(model.layout, model.draw_initial(seed))
        )

    def train(
        self,
        context: RoundContext,
        start: Tensor,
        indices: np.ndarray,
        memory: ClientMemory,
        rng: np.random.Generator,
    ) -> Trained:
        """Train B and the head."""
        model, part = context.model, self.synced_layout(context.model)
        whole = _whole(model, part, start)
        return self.train_part(model, part, whole, indices, memory, rng)

    def load(self, model: Trainable, held: Tensor) -> None:
        """Load B and the head, with the drawn A."""
        model.set_state(_whole(model, self.synced_layout(model), held))


def _whole(model: Trainable, part: Layout, held: Tensor) -> Tensor:
    drawn: Tensor = model.initial_state  # type: ignore[attr-defined]
    return pack_tensors(
        model.layout, unpack_tensors(model.layout, drawn) | unpack_tensors(part, held)
    )
