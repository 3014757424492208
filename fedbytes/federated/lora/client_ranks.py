"""Clients that train LoRA factors of different ranks: a share of the server's directions each."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from fedbytes.compression.layout import Layout
from fedbytes.federated.algorithm import ClientMemory, Trained
from fedbytes.federated.context import SERVER_CLIENT, RoundContext
from fedbytes.federated.hooks import Upload
from fedbytes.federated.lora.lora_averaging import EXAMPLE, PlainServer
from fedbytes.federated.lora.named_tensors import Tensors, pack_tensors, unpack_tensors
from fedbytes.federated.lora.subspace import Reduced
from fedbytes.federated.trainable import Trainable
from fedbytes.plugin_fields import bounded


@dataclass(frozen=True)
class Ranks(PlainServer):
    """Client c trains the first `ranks[c mod len(ranks)]` directions of the adapter's factors.

    The server holds factors of the adapter's rank; a client is sent the first rows of A and columns
    of B, and sends back how they changed: messages are as long as the client's rank. In its model
    the rest is zero, where gradients vanish, so it trains as a LoRA of its own rank would. The
    scaling is the adapter's alpha / rank for all clients, whatever their rank, so that their
    products can be added up. What a lossy downlink does to the factors is not told to the server,
    which adds a client's change to what it sent.
    """

    needs_each: ClassVar[bool] = True
    downloads = "state"
    examples: ClassVar[tuple[dict[str, Any], ...]] = (EXAMPLE | {"ranks": (1, 2)}, EXAMPLE)

    ranks: tuple[int, ...] = bounded((), least=1)
    """Ranks that are dealt to the clients in turn; none for the adapter's rank everywhere."""

    def synced_layout(self, model: Trainable) -> Layout:
        """Return the trained tensors.

        Raises:
            ValueError: if the model has no LoRA factors, or too small ones.
        """
        layout, most = super().synced_layout(model), max(self.ranks, default=0)
        rank = min(pair.rank for pair in self.pairs(model))
        if most > rank:
            raise ValueError(
                f"algorithm {self.name!r}: ranks go up to {most}, but the adapter has rank {rank}: "
                f"set adapter.rank={most}"
            )
        return layout

    def up(self, context: RoundContext) -> Layout:
        """Return the layout of the client's share; of everything for the server."""
        shapes = context.model.layout.shapes
        for pair in self.pairs(context.model):
            rank = self.rank_of(context, pair.rank)
            shapes[pair.a] = (rank, pair.inputs)
            shapes[pair.b] = (pair.outputs, rank)
        return Layout(shapes)

    def down(self, context: RoundContext) -> Layout:
        """Return the same as `up`."""
        return self.up(context)

    def download(self, context: RoundContext, held: Tensor) -> Tensor:
        """Return the client's share of what the server holds."""
        return self._cut(context, unpack_tensors(context.model.layout, held))

    def train(
        self,
        context: RoundContext,
        start: Tensor,
        indices: np.ndarray,
        memory: ClientMemory,
        rng: np.random.Generator,
    ) -> Trained:
        """Train the client's share and the head."""
        return self.local_reduced(self.reduced(context), start, indices, memory, rng)

    def reduced(self, context: RoundContext) -> Reduced:
        """Return the client's share and the head as a vector of their own, to be trained."""
        layout, part = context.model.layout, self.up(context)

        def fill(vector: Tensor) -> Tensor:
            return pack_tensors(layout, self._padded(context.model, unpack_tensors(part, vector)))

        def pull(gradient: Tensor) -> Tensor:
            return self._cut(context, unpack_tensors(layout, gradient))

        return Reduced(context.model, part.numel, fill, pull)

    def apply(self, context: RoundContext, held: Tensor, update: Tensor) -> Tensor:
        """Return the update, which is the new state itself."""
        return update

    def rank_of(self, context: RoundContext, whole: int) -> int:
        """Return the rank of the client; the server's is the adapter's, the whole."""
        if context.client == SERVER_CLIENT or not self.ranks:
            return whole
        return self.ranks[context.client % len(self.ranks)]

    def trained(self, context: RoundContext, held: Tensor, upload: Upload) -> Tensors:
        """Return the tensors that a client ended with, in its own rank."""
        mine = context.for_client(upload.client)
        return unpack_tensors(self.up(mine), self.download(mine, held) + upload.delta)

    def _cut(self, context: RoundContext, whole: Tensors) -> Tensor:
        part = self.up(context)
        return pack_tensors(
            part, {n: whole[n][tuple(map(slice, s))] for n, s in part.shapes.items()}
        )

    def _padded(self, model: Trainable, part: Tensors) -> Tensors:
        out = dict(part)
        for pair in self.pairs(model):
            lack = pair.rank - len(part[pair.a])
            out[pair.a] = torch.nn.functional.pad(part[pair.a], (0, 0, 0, lack))
            out[pair.b] = torch.nn.functional.pad(part[pair.b], (0, lack))
        return out
