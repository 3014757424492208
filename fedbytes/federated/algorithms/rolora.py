"""RoLoRA: A and B take turns."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fedbytes.compression.layout import Layout
from fedbytes.federated.algorithm import ALGORITHMS, ClientMemory, Trained
from fedbytes.federated.context import RoundContext
from fedbytes.federated.lora.lora_averaging import PlainServer
from fedbytes.federated.lora.named_tensors import pack_tensors, select, unpack_tensors


@ALGORITHMS.register("rolora")
@dataclass(frozen=True)
class RoLora(PlainServer):
    """One factor is trained and sent a round (Chen et al. 2024, arXiv 2409.02346).

    B in odd rounds, since a step of A next to a B of zero would be none, and A in even ones; the
    head in all. What rests is the same everywhere, so each round's mean is the mean of the
    products, at about half of LoRA's bytes, and unlike in FFA-LoRA both factors learn.
    """

    def up(self, context: RoundContext) -> Layout:
        """Return the layout of the round's factors and of the head."""
        pairs = self.pairs(context.model)
        moving = {pair.b if context.round % 2 else pair.a for pair in pairs}
        return select(context.model.layout, moving | {*self.heads(context.model)})

    def down(self, context: RoundContext) -> Layout:
        """Return the same as `up`."""
        return self.up(context)

    def train(
        self,
        context: RoundContext,
        start: Tensor,
        indices: np.ndarray,
        memory: ClientMemory,
        rng: np.random.Generator,
    ) -> Trained:
        """Train the round's factors and the head."""
        return self.train_part(context.model, self.up(context), start, indices, memory, rng)

    def apply(self, context: RoundContext, held: Tensor, update: Tensor) -> Tensor:
        """Return what is held with the round's factors and the head moved."""
        layout, part = context.model.layout, self.up(context)
        still = {name: torch.zeros(shape) for name, shape in layout.shapes.items()}
        return held + pack_tensors(layout, still | unpack_tensors(part, update))
