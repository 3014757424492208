"""FLoRA: clients' factors are stacked, sent to all and merged into the base."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from fedbytes.compression.layout import Layout
from fedbytes.federated.algorithm import ALGORITHMS, ClientMemory, Compatibility
from fedbytes.federated.context import RoundContext
from fedbytes.federated.hooks import Upload
from fedbytes.federated.lora.lora_averaging import (
    PlainServer,
    lora_of,
    mean,
    no_feedback,
    shares,
    stack,
    with_rank,
)
from fedbytes.federated.lora.named_tensors import Tensors, pack_tensors, unpack_tensors
from fedbytes.federated.optimizers.server_optimizers import ServerMemory
from fedbytes.federated.side_by_side.local_plan import LocalPlan
from fedbytes.federated.trainable import Trainable
from fedbytes.streams import stream_seed


@ALGORITHMS.register("flora")
@dataclass(frozen=True)
class Flora(PlainServer):
    """Each round's LoRA is merged exactly and a new one begun (Wang et al. 2024, arXiv 2409.05976).

    The server sends the stack of all clients' factors, so the downlink grows with the clients of
    the round, and every client adds the mean of the products to its base weights. Clients hold
    these and the head; the factors that a round begins with are drawn from seed and round. Of A
    what it moved from there is sent, in both directions, which a codec can make smaller.

    With lossy links the base moves by what clients decode. A client that missed rounds is sent the
    missed stacks or the whole change of the base, whatever is less. Begin with `initial: seed`:
    `full` would send that change, which is zero, in the first round.
    """

    needs_each: ClassVar[bool] = True
    moves_base: ClassVar[bool] = True
    alike_each_round: ClassVar[bool] = False

    def synced_layout(self, model: Trainable) -> Layout:
        """Return the layout of what is added to the base weights, and of the head."""
        shapes = model.layout.shapes
        heads = {name: shapes[name] for name in self.heads(model)}
        return Layout(lora_of(model, self.name).layout.shapes | heads)

    def initial(self, model: Trainable, seed: int) -> Tensor:
        """Return no change of the base, and the head as drawn."""
        layout = self.synced_layout(model)
        still = {name: torch.zeros(shape) for name, shape in layout.shapes.items()}
        drawn = unpack_tensors(model.layout, model.draw_initial(seed))
        return pack_tensors(layout, still | {name: drawn[name] for name in self.heads(model)})

    def up(self, context: RoundContext) -> Layout:
        """Return the layout of one client's factors and head."""
        return context.model.layout

    def down(self, context: RoundContext) -> Layout:
        """Return the layout of the factors of all clients of the round, and one head."""
        shapes, clients = context.model.layout.shapes, len(context.clients)
        for pair in self.pairs(context.model):
            shapes[pair.a] = (clients * pair.rank, pair.inputs)
            shapes[pair.b] = (pair.outputs, clients * pair.rank)
        return Layout(shapes)

    def plan(
        self, context: RoundContext, start: Tensor, indices: np.ndarray, memory: ClientMemory
    ) -> LocalPlan:
        """Train a new LoRA on top of the base that has moved."""
        begin = self._begin(context) | self._move(context.model, start)
        return LocalPlan(pack_tensors(context.model.layout, begin), memory)

    def combine(
        self, context: RoundContext, held: Tensor, uploads: list[Upload], state: ServerMemory
    ) -> tuple[Tensor, ServerMemory]:
        """Return the stack; B carries the clients' weights."""
        weights = shares(uploads)
        sent = [unpack_tensors(context.model.layout, upload.delta) for upload in uploads]
        update = {
            name: mean(weights, [s[name] for s in sent]) for name in self.heads(context.model)
        }
        for pair in self.pairs(context.model):
            factors = [(s[pair.b], s[pair.a]) for s in sent]
            # The layout follows from who takes part: who sent nothing is zeros in the stack.
            rank = len(context.clients) * pair.rank
            update[pair.b], update[pair.a] = with_rank(stack(weights, factors), rank)
        return pack_tensors(self.down(context), update), state

    def apply(self, context: RoundContext, held: Tensor, update: Tensor) -> Tensor:
        """Return the base with the stack's product added, and the moved head."""
        layout = self.synced_layout(context.model)
        sent, begin = unpack_tensors(self.down(context), update), self._begin(context)
        after = unpack_tensors(layout, held.clone())
        for name in self.heads(context.model):
            after[name] += sent[name]
        for pair in self.pairs(context.model):
            a = sent[pair.a] + begin[pair.a].repeat(len(context.clients), 1)
            after[pair.base] += pair.scale * (sent[pair.b] @ a)
        return pack_tensors(layout, after)

    def load(self, model: Trainable, held: Tensor) -> None:
        """Load the base and the head, with factors whose product is zero."""
        zero = {name: torch.zeros(shape) for name, shape in model.layout.shapes.items()}
        model.set_state(pack_tensors(model.layout, zero | self._move(model, held)))

    def refuses(self, compatibility: Compatibility) -> str | None:
        """Refuse memories: what was lost of one round's LoRA has no place in the next."""
        why = "begins a new LoRA each round, in which what a codec lost of the last has no place"
        return super().refuses(compatibility) or no_feedback(self.name, compatibility, why, why)

    def _begin(self, context: RoundContext) -> Tensors:
        """Return the trained tensors as the round's seed draws them."""
        seed = stream_seed(context.seed, "algorithm flora", context.round)
        return unpack_tensors(context.model.layout, context.model.draw_initial(seed))

    def _move(self, model: Trainable, held: Tensor) -> Tensors:
        """Add to the model's base what is held, and return the head."""
        lora, tensors = lora_of(model, self.name), unpack_tensors(self.synced_layout(model), held)
        lora.set_delta(pack_tensors(lora.layout, tensors))
        return {name: tensors[name] for name in self.heads(model)}
