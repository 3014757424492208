"""HetLoRA: factors of different ranks, padded by zeros and weighted by what was learned."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fedbytes.compression.layout import Layout
from fedbytes.federated.algorithm import ALGORITHMS, ClientMemory, Trained
from fedbytes.federated.context import RoundContext
from fedbytes.federated.hooks import Upload
from fedbytes.federated.lora.client_ranks import Ranks
from fedbytes.federated.lora.lora_averaging import EXAMPLE, mean, shares
from fedbytes.federated.lora.named_tensors import Tensors, pack_tensors, unpack_tensors
from fedbytes.federated.optimizers.server_optimizers import ServerMemory
from fedbytes.federated.trainable import Trainable
from fedbytes.models.adapter_parts.lora_layers import LoraPair
from fedbytes.plugin_fields import added_field, bounded


@ALGORITHMS.register("hetlora")
@dataclass(frozen=True)
class HetLora(Ranks):
    """Truncation, zero padding and sparsity-weighted means (Cho et al. 2024, arXiv 2401.06432).

    A client's factors count by the Frobenius norm of their product over all layers, its head by
    its examples. A direction above a client's rank counts as zero there.

    With `gamma` below 1 clients prune their own rank. The tail of a client of rank r are the
    directions from `floor(gamma r)` on, but never the first; its size is their ||B|| ||A||, summed
    over layers (one decision for all layers is how we read the paper), and `penalty` times that is
    added to the client's loss, though not to the loss that is reported. A client whose tail is
    smaller after training than as it was sent drops it for good: it sends the other directions
    alone, and is sent no others from then on. It says so in a message of its own, ahead of its
    factors: how often it has pruned, from which both ends know its rank. B begins at zero, and so
    does every tail, so that nobody prunes in round 1. What error feedback on the uplink held of a
    client's factors is dropped with the tail.
    """

    examples = (
        EXAMPLE | {"ranks": (1, 2)},
        EXAMPLE,
        EXAMPLE | {"gamma": 0.5, "penalty": 0.1},
    )

    gamma: float = added_field(bounded(1.0, above=0, most=1))
    """Share of its rank that a client keeps when it prunes; 1 for no pruning."""
    penalty: float = added_field(bounded(0.0, least=0))
    """Weight of the tail's size in a client's loss."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.penalty and self.gamma == 1:
            raise ValueError(
                f"penalty={self.penalty} weighs what would be pruned, and gamma=1 prunes nothing: "
                "set gamma=0.99 or penalty=0"
            )

    def rank_of(self, context: RoundContext, whole: int) -> int:
        """Return the rank of the client, after what it pruned."""
        rank = super().rank_of(context, whole)
        for _ in range(min(context.announced_value, rank)):
            rank = self.pruned(rank)
        return rank

    def pruned(self, rank: int) -> int:
        """Return what is left of a rank when a client prunes."""
        return max(1, math.floor(self.gamma * rank))

    def train(
        self,
        context: RoundContext,
        start: Tensor,
        indices: np.ndarray,
        memory: ClientMemory,
        rng: np.random.Generator,
    ) -> Trained:
        """Train the client's share and the head; drop the tail if it became smaller."""
        if self.gamma == 1:
            return super().train(context, start, indices, memory, rng)
        model, part = context.model, self.up(context)

        def shrink(flat: Tensor, gradient: Tensor) -> None:
            with torch.enable_grad():
                at = flat.detach().requires_grad_()
                (slope,) = torch.autograd.grad(self._tail(model, part, at), at)
            gradient.add_(slope, alpha=self.penalty)

        correct = shrink if self.penalty else None
        trained = self.local_reduced(self.reduced(context), start, indices, memory, rng, correct)
        before, ended = start.to("cpu"), start.to("cpu") + trained.delta
        if not self._tail(model, part, ended) < self._tail(model, part, before):
            return trained
        after = context.with_announcement(context.client, context.announced_value + 1)
        if self.up(after) == part:
            return trained
        delta = self._cut(after, unpack_tensors(part, trained.delta))
        return Trained(delta, trained.loss, trained.memory, announces=after.announced_value)

    def combine(
        self, context: RoundContext, held: Tensor, uploads: list[Upload], state: ServerMemory
    ) -> tuple[Tensor, ServerMemory]:
        """Return the weighted means of the padded factors, and the mean head."""
        model, examples = context.model, shares(uploads)
        pairs = self.pairs(model)
        ended = [self.trained(context, held, upload) for upload in uploads]
        padded = [self._padded(model, tensors) for tensors in ended]
        norms = [_norm(pairs, tensors) for tensors in ended]
        factors = [n / sum(norms) for n in norms] if sum(norms) > 0 else examples
        heads = {*self.heads(model)}
        after = {
            name: mean(examples if name in heads else factors, [p[name] for p in padded])
            for name in model.layout.names
        }
        return pack_tensors(model.layout, after), state

    def _tail(self, model: Trainable, part: Layout, vector: Tensor) -> Tensor:
        """Return the size of the tail of a client's vector in the layout `part`."""
        tensors, size = unpack_tensors(part, vector), vector.new_zeros(())
        for pair in self.pairs(model):
            a, b = tensors[pair.a], tensors[pair.b]
            kept = self.pruned(len(a))
            size = size + torch.linalg.norm(b[:, kept:]) * torch.linalg.norm(a[kept:])
        return size


def _norm(pairs: tuple[LoraPair, ...], tensors: Tensors) -> float:
    """Return the Frobenius norm of all products, without forming them: tr(B^T B A A^T)."""
    squares = 0.0
    for pair in pairs:
        a, b = tensors[pair.a].double(), tensors[pair.b].double()
        squares += float(torch.sum((b.T @ b) * (a @ a.T)))
    return math.sqrt(max(squares, 0.0))
