"""FedEx-LoRA: the factors' means, and what these lack is added to the base."""

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
    top_factors,
    with_rank,
)
from fedbytes.federated.lora.named_tensors import pack_tensors, unpack_tensors
from fedbytes.federated.optimizers.server_optimizers import ServerMemory
from fedbytes.federated.side_by_side.local_plan import LocalPlan
from fedbytes.federated.trainable import Trainable
from fedbytes.models.adapter_parts.lora_layers import LoraPair
from fedbytes.plugin_fields import bounded


@ALGORITHMS.register("fedex_lora")
@dataclass(frozen=True)
class FedExLora(PlainServer):
    """FedIT made exact by a residual in the base (Singhal et al. 2024, arXiv 2410.09432).

    The mean of the products is the product of the means plus a residual, the covariance of the
    clients' factors, whose rank is at most `(clients - 1) * rank`. It is sent as two factors of
    that rank, or whole where that is less, and every client adds it to its base weights.
    """

    needs_each: ClassVar[bool] = True
    moves_base: ClassVar[bool] = True
    residual_rank: int | None = bounded(None, least=1)
    """Send the residual's first so many singular directions alone: no longer exact, and cheaper."""

    def synced_layout(self, model: Trainable) -> Layout:
        """Return the layout of what is trained and of what is added to the base weights."""
        return Layout(model.layout.shapes | lora_of(model, self.name).layout.shapes)

    def initial(self, model: Trainable, seed: int) -> Tensor:
        """Return what is drawn, and no change of the base."""
        nothing = torch.zeros(lora_of(model, self.name).layout.numel)
        return torch.cat((model.draw_initial(seed), nothing))

    def up(self, context: RoundContext) -> Layout:
        """Return the layout of what is trained."""
        return context.model.layout

    def down(self, context: RoundContext) -> Layout:
        """Return the layout of what is trained and of the residuals."""
        shapes = context.model.layout.shapes
        for pair in self.pairs(context.model):
            rank = self._rank(context, pair)
            if rank is None:
                shapes[pair.base] = (pair.outputs, pair.inputs)
            elif rank > 0:
                shapes[_residual(pair.a)] = (rank, pair.inputs)
                shapes[_residual(pair.b)] = (pair.outputs, rank)
        return Layout(shapes)

    def plan(
        self, context: RoundContext, start: Tensor, indices: np.ndarray, memory: ClientMemory
    ) -> LocalPlan:
        """Train the factors and the head on top of the base that has moved."""
        self.load(context.model, start)
        return LocalPlan(start[: context.model.layout.numel], memory)

    def combine(
        self, context: RoundContext, held: Tensor, uploads: list[Upload], state: ServerMemory
    ) -> tuple[Tensor, ServerMemory]:
        """Return the mean of what is trained, and the residuals."""
        weights = shares(uploads)
        sent = [unpack_tensors(context.model.layout, upload.delta) for upload in uploads]
        update = {
            name: mean(weights, [s[name] for s in sent]) for name in context.model.layout.names
        }
        for pair in self.pairs(context.model):
            rank = self._rank(context, pair)
            if rank == 0:
                continue
            # Moved from the same factors, clients differ from the means as their moves do. Since
            # B's differences sum to zero, any one A can stand for the mean of A.
            last = sent[-1][pair.a]
            differences = [(s[pair.b] - update[pair.b], s[pair.a] - last) for s in sent[:-1]]
            nothing = update[pair.b][:, :0], last[:0]  # one client alone leaves no residual
            b, a = stack(weights[:-1], differences) if differences else nothing
            if rank is None:
                update[pair.base] = b @ a
                continue
            if rank < b.shape[1]:
                b, a = top_factors((b, a), rank)
            b, a = with_rank((b, a), rank)  # fewer sent than took part, or less is needed
            update[_residual(pair.b)], update[_residual(pair.a)] = b, a
        return pack_tensors(self.down(context), update), state

    def apply(self, context: RoundContext, held: Tensor, update: Tensor) -> Tensor:
        """Return the moved factors and head, and the base with the residuals added."""
        layout = self.synced_layout(context.model)
        sent, after = (
            unpack_tensors(self.down(context), update),
            unpack_tensors(layout, held.clone()),
        )
        for name in context.model.layout.names:
            after[name] += sent[name]
        for pair in self.pairs(context.model):
            rank = self._rank(context, pair)
            if rank is None:
                after[pair.base] += pair.scale * sent[pair.base]
            elif rank > 0:
                product = sent[_residual(pair.b)] @ sent[_residual(pair.a)]
                after[pair.base] += pair.scale * product
        return pack_tensors(layout, after)

    def load(self, model: Trainable, held: Tensor) -> None:
        """Put the factors, the head and the base in place."""
        numel = model.layout.numel
        lora_of(model, self.name).set_delta(held[numel:])
        model.set_state(held[:numel])

    def refuses(self, compatibility: Compatibility) -> str | None:
        """Refuse error feedback downwards: residuals of different rounds have different factors."""
        why = "sends factors of a residual, in which what a codec lost of the last has no place"
        return super().refuses(compatibility) or no_feedback(self.name, compatibility, "", why)

    def _rank(self, context: RoundContext, pair: LoraPair) -> int | None:
        """Return the rank in which the residual is sent; None for a whole matrix."""
        rank = (len(context.clients) - 1) * pair.rank
        if self.residual_rank is not None:
            rank = min(rank, self.residual_rank)
        dear = rank * (pair.inputs + pair.outputs) >= pair.inputs * pair.outputs
        return None if dear else rank


def _residual(name: str) -> str:
    return f"residual.{name}"
