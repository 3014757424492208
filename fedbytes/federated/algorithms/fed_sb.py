"""Fed-SB: a small square matrix between frozen factors is all that is trained and sent."""

from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from fedbytes.compression.layout import Layout
from fedbytes.federated.algorithm import ALGORITHMS, ClientMemory, Trained
from fedbytes.federated.context import RoundContext
from fedbytes.federated.hooks import Upload
from fedbytes.federated.lora.lora_averaging import (
    EXAMPLE,
    LoraAveraging,
    lora_of,
    mean,
    shares,
    stack,
    top_factors,
)
from fedbytes.federated.lora.named_tensors import Tensors, pack_tensors, select, unpack_tensors
from fedbytes.federated.lora.subspace import Reduced
from fedbytes.federated.optimizers.server_optimizers import ServerMemory
from fedbytes.federated.trainable import Trainable, scratch_of
from fedbytes.plugin_fields import bounded


@ALGORITHMS.register("fed_sb")
@dataclass(frozen=True)
class FedSB(LoraAveraging):
    """Updates are B R A with frozen B and A: rank * rank numbers per layer (arXiv 2502.15436).

    Singhal et al. 2025. The mean of R gives the mean of the products. B and A have orthonormal
    columns and rows; they come, by `init`, from

    - `whole_gradient` (LoRA-SB, arXiv 2411.19557): in round 1 each client sends the gradient of
      `local_steps` batches by the base weights; the server takes the step `-learning_rate * sign`
      of their mean, as Adam's first step would, and sends back its first singular directions as B
      and A, and the singular values, over the adapter's scaling, as R. A head begins at zero, and
      below a head of zero all gradients are zero: so clients train the head alone first, for
      `head_steps`, take the gradient below what they made of it, and send its change as well.
      A layer of which a lossy uplink leaves no gradient begins as with `weights`. The messages of
      round 1 are priced as all others, and clients that come later are sent B and A with the rest
      of the state.
    - `gradient`: the same, but a client sends its gradient as factors of the adapter's rank, and so
      out + in numbers for each of them instead of out * in. The signs of what is left of the mean
      are not those of the mean, and this is ours: the papers' code takes the gradient where all
      texts are, some fifty of them, and counts no message for it.
    - `weights` (LoRA-XS, arXiv 2405.17604): the singular directions of the base weights, which both
      ends compute, so that they cost nothing; R begins at zero.

    The adapter's own A and B only carry the product in the model.
    """

    examples = (EXAMPLE, EXAMPLE | {"init": "whole_gradient"}, EXAMPLE | {"init": "weights"})

    init: Literal["gradient", "whole_gradient", "weights"] = "gradient"
    """Source of the frozen factors."""
    head_steps: int | None = bounded(None, least=1)
    """Steps of a head alone before the gradient is taken; None for as many as in other rounds."""

    @property
    def needs_each(self) -> bool:
        """True where the first round's uploads are factors, of which the products are averaged."""
        return self.init == "gradient"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.head_steps is not None and self.init == "weights":
            raise ValueError(
                f"head_steps={self.head_steps} come before a gradient, and init=weights takes none"
            )

    def synced_layout(self, model: Trainable) -> Layout:
        """Return the layout of every R and of the head, and of B and A where these are sent."""
        outer = {} if self.init == "weights" else self._outer(model).shapes
        return Layout(outer | self._inner(model).shapes)

    def initial(self, model: Trainable, seed: int) -> Tensor:
        """Return zeros, and the head as drawn."""
        layout, drawn = (
            self.synced_layout(model),
            unpack_tensors(model.layout, model.draw_initial(seed)),
        )
        zero = {name: torch.zeros(shape) for name, shape in layout.shapes.items()}
        return pack_tensors(layout, zero | {name: drawn[name] for name in self.heads(model)})

    def up(self, context: RoundContext) -> Layout:
        """Return the layout of R and the head; in a first round, of gradients and the head."""
        if not self._first(context):
            return self._inner(context.model)
        whole = self.init == "whole_gradient"
        sent = lora_of(context.model, self.name).layout if whole else self._outer(context.model)
        return Layout(sent.shapes | self._head(context.model).shapes)

    def down(self, context: RoundContext) -> Layout:
        """Return the layout of R and the head; in a first round for gradients, of B and A too."""
        return (
            self.synced_layout(context.model)
            if self._first(context)
            else self._inner(context.model)
        )

    def train(
        self,
        context: RoundContext,
        start: Tensor,
        indices: np.ndarray,
        memory: ClientMemory,
        rng: np.random.Generator,
    ) -> Trained:
        """Train R and the head, or send the gradient of the base."""
        model, inner = context.model, self._inner(context.model)
        self.load(model, start)
        if self._first(context):
            return self._gradient(context, indices, memory, rng)
        held = unpack_tensors(self.synced_layout(model), start)
        outer = {n: t.to(model.flat.device) for n, t in self._frozen(model, held).items()}

        def fill(vector: Tensor) -> Tensor:
            return self._whole(model, outer | unpack_tensors(inner, vector))

        def pull(gradient: Tensor) -> Tensor:
            parts = unpack_tensors(model.layout, gradient)
            cores = {_core(p.a): outer[p.b].T @ parts[p.b] for p in self.pairs(model)}
            return pack_tensors(inner, parts | cores)

        reduced = Reduced(model, inner.numel, fill, pull)
        return self.local_reduced(reduced, pack_tensors(inner, held), indices, memory, rng)

    def combine(
        self, context: RoundContext, held: Tensor, uploads: list[Upload], state: ServerMemory
    ) -> tuple[Tensor, ServerMemory]:
        """Return the mean change of R and the head, or the frozen factors and the first R."""
        if not self._first(context):
            return super().combine(context, held, uploads, state)
        weights = shares(uploads)
        sent = [unpack_tensors(self.up(context), upload.delta) for upload in uploads]
        heads = self.heads(context.model)
        update: Tensors = {name: mean(weights, [s[name] for s in sent]) for name in heads}
        lora = lora_of(context.model, self.name)
        for pair, weight in zip(lora.pairs, lora.base_weights(), strict=True):
            if self.init == "whole_gradient":
                gradient = mean(weights, [s[pair.base] for s in sent])
            else:
                b, a = stack(weights, [(s[pair.b], s[pair.a]) for s in sent])
                gradient = b @ a
            if gradient.any():
                u, s, vh = _directions(-self.learning_rate * gradient.sign(), pair.rank)
            else:
                u, s, vh = _directions(weight.cpu(), pair.rank)
                s = torch.zeros_like(s)
            update |= {pair.b: u, pair.a: vh, _core(pair.a): torch.diag(s) / pair.scale}
        return pack_tensors(self.down(context), update), state

    def apply(self, context: RoundContext, held: Tensor, update: Tensor) -> Tensor:
        """Return what is held with the round's part moved."""
        layout, part = self.synced_layout(context.model), self.down(context)
        after = unpack_tensors(layout, held.clone())
        for name, moved in unpack_tensors(part, update).items():
            after[name] += moved
        return pack_tensors(layout, after)

    def load(self, model: Trainable, held: Tensor) -> None:
        """Put the product and the head into the model."""
        tensors = unpack_tensors(self.synced_layout(model), held)
        model.set_state(self._whole(model, self._frozen(model, tensors)))

    def _first(self, context: RoundContext) -> bool:
        return self.init != "weights" and context.round == 1

    def _head(self, model: Trainable) -> Layout:
        return select(model.layout, {*self.heads(model)})

    def _outer(self, model: Trainable) -> Layout:
        return select(model.layout, {n for pair in self.pairs(model) for n in (pair.a, pair.b)})

    def _inner(self, model: Trainable) -> Layout:
        cores = {_core(pair.a): (pair.rank, pair.rank) for pair in self.pairs(model)}
        return Layout(cores | self._head(model).shapes)

    def _whole(self, model: Trainable, tensors: Tensors) -> Tensor:
        """Return the model's vector: A as it is, and B R in the place of B."""
        products = {p.b: tensors[p.b] @ tensors[_core(p.a)] for p in self.pairs(model)}
        return pack_tensors(model.layout, tensors | products)

    def _frozen(self, model: Trainable, tensors: Tensors) -> Tensors:
        """Return the tensors with B and A, where these are made of the base."""
        if self.init != "weights":
            return tensors
        lora = lora_of(model, self.name)
        scratch = scratch_of(model)
        if _OF_WEIGHTS not in scratch:
            made: Tensors = {}
            for pair, weight in zip(lora.pairs, lora.base_weights(), strict=True):
                u, _, vh = _directions(weight.cpu(), pair.rank)
                made |= {pair.b: u, pair.a: vh}
            scratch[_OF_WEIGHTS] = made
        frozen: Tensors = scratch[_OF_WEIGHTS]
        return tensors | frozen

    def _gradient(
        self,
        context: RoundContext,
        indices: np.ndarray,
        memory: ClientMemory,
        rng: np.random.Generator,
    ) -> Trained:
        """Return the mean gradient of the base, whole or as factors of the adapter's rank.

        The model holds what was sent. A head is trained first, and its change is returned as well.
        """
        model = context.model
        lora, losses = lora_of(model, self.name), []
        steps = self.steps(len(indices))
        lora.set_delta(torch.zeros(lora.layout.numel))
        found = self._trained_head(model, indices, rng)
        with lora.watched():
            for batch in islice(model.batches(indices, self.batch_size, rng), steps):
                loss = model.loss(batch)
                loss.backward()  # type: ignore[no-untyped-call]
                losses.append(loss.detach())
            gradients = lora.gradients()
        assert model.flat.grad is not None
        model.flat.grad.zero_()
        for pair, gradient in zip(lora.pairs, gradients, strict=True):
            if self.init == "whole_gradient":
                found[pair.base] = gradient / steps
            else:
                u, s, vh = _directions(gradient / steps, pair.rank)
                root = s.sqrt()  # in both alike, so that a codec finds neither small
                found |= {pair.b: u * root, pair.a: root[:, None] * vh}
        sent = pack_tensors(self.up(context), found)
        return Trained(sent, float(torch.stack(losses).mean()), memory)

    def _trained_head(
        self, model: Trainable, indices: np.ndarray, rng: np.random.Generator
    ) -> Tensors:
        """Train the head alone from where the model is; return its change, and leave it there."""
        part = self._head(model)
        if not part.numel:
            return {}
        own = (
            self
            if self.head_steps is None
            else replace(self, local_steps=self.head_steps, local_epochs=None)
        )
        whole = model.flat.detach().to("cpu", torch.float32, copy=True)
        return unpack_tensors(part, own.train_part(model, part, whole, indices, {}, rng).delta)


_OF_WEIGHTS = "fed_sb: B and A of the base weights"
"""The singular directions of each model's base weights, which never change."""


def _core(name: str) -> str:
    return name.replace("lora_A", "lora_R")


def _directions(matrix: Tensor, rank: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return U [out, rank], s [rank] and V^T [rank, in] of the first singular directions."""
    us, vh = top_factors((matrix, torch.eye(matrix.shape[1])), rank)
    s = torch.linalg.vector_norm(us, dim=0)
    return us / s.clamp(min=torch.finfo(torch.float32).tiny), s, vh
