"""EcoLoRA: clients take turns in sending segments, sparser as the loss falls."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from fedbytes.compression.layout import Layout
from fedbytes.compression.sparsifiers.density import count_for_density
from fedbytes.compression.sparsifiers.top_k import select_top_k
from fedbytes.federated.algorithm import ALGORITHMS, ClientMemory, Compatibility, Trained
from fedbytes.federated.context import RoundContext
from fedbytes.federated.hooks import Upload
from fedbytes.federated.lora.lora_averaging import EXAMPLE, PlainServer, mean, no_feedback, shares
from fedbytes.federated.optimizers.server_optimizers import ServerMemory
from fedbytes.federated.side_by_side.local_plan import LocalPlan
from fedbytes.federated.trainable import Trainable
from fedbytes.plugin_fields import bounded


@ALGORITHMS.register("ecolora")
@dataclass(frozen=True)
class EcoLora(PlainServer):
    """Round-robin segments and adaptive sparsity (Liu et al. 2025, arXiv 2506.02001).

    In round t client i sends segment `(i + t) mod segments` of the trained vector, and of that the
    largest entries, chosen among A's, B's and the head's apart. The share of A's and of the head's
    falls from `density` towards `min_density` with the client's own training loss,
    `min + (density - min) * exp(-gamma * (1 - loss / first loss))`; that of B's, which is zero at
    first and learns in fewer entries, to `min_density_b`. What a client leaves out of a segment it
    remembers and adds to its next message of that segment.

    Which entries are sent is decided here, since it depends on the loss; how they are written is
    the uplink codec's: `{name: topk, density: 1.0, bits: 16}` sends what is not zero, with places
    in the cheapest of Golomb-Rice gaps, a bitmap and others. A dense codec sends the zeros too.

    With `keep` a client that returns after n rounds begins from `keep^n` times where it ended and
    the rest of the global model, so that what it learned in segments it did not send is not lost
    to it.

    Of the paper we know that clients take turns with segments, that the sparsity adapts and differs
    for A and B, and that Golomb codes write the places; its formulas we could not read, and it has
    no code that we found. Ours are the loss in the share's formula, relative and the client's own,
    the memory of what is left out, the head's part, and all defaults.
    """

    needs_each: ClassVar[bool] = True
    examples = (EXAMPLE | {"segments": 2, "density": 0.5, "keep": 0.5},)

    segments: int = bounded(5, least=1)
    """Into how many parts the trained vector is cut; more than the clients of a round leaves gaps,
    which later rounds fill."""
    density: float = bounded(0.5, above=0, most=1)
    """Share of a segment's entries that is sent at first."""
    min_density: float = bounded(0.05, above=0, most=1)
    """Limit of the share of A's and the head's entries."""
    min_density_b: float = bounded(0.04, above=0, most=1)
    """Limit of the share of B's entries."""
    gamma: float = bounded(3.0, least=0)
    """How fast it does."""
    keep: float = bounded(0.0, least=0, below=1)
    """How much of its own model a client begins from; 0 is the global model alone."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for key in ("min_density", "min_density_b"):
            if getattr(self, key) > self.density:
                raise ValueError(f"{key}={getattr(self, key)} is above density={self.density}")

    @property
    def decides_by_loss(self) -> bool:
        """True: the share of what is sent falls with the client's loss."""
        return True

    def synced_layout(self, model: Trainable) -> Layout:
        """Return the trained tensors.

        Raises:
            ValueError: if the model has no LoRA factors, or less numbers than segments.
        """
        layout = super().synced_layout(model)
        if layout.numel < self.segments:
            raise ValueError(f"segments={self.segments} of {layout.numel} trained numbers")
        return layout

    def up(self, context: RoundContext) -> Layout:
        """Return the layout of the client's segment of this round."""
        number, place = self._segment(context)
        return Layout({f"segment {number}": (place.stop - place.start,)})

    def down(self, context: RoundContext) -> Layout:
        """Return the layout of everything."""
        return context.model.layout

    def plan(
        self, context: RoundContext, start: Tensor, indices: np.ndarray, memory: ClientMemory
    ) -> LocalPlan:
        """Train everything; the delta is of the largest changes of the segment."""
        begin = start
        if self.keep and "ended" in memory:
            own = self.keep ** (context.round - int(memory["round"]))
            begin = own * memory["ended"] + (1 - own) * start
        _, place = self._segment(context)
        unsent = memory.get("unsent", torch.zeros_like(start))

        def choose(trained: Trained) -> Trained:
            wanted = trained.delta[place] + unsent[place]
            first = float(memory.get("loss", trained.loss))
            ratio = trained.loss / first if first > 0 else 1.0
            sent = self.largest(context.model, place, wanted, ratio)
            left = unsent.clone()
            left[place] = wanted - sent
            after = {"unsent": left, "loss": torch.tensor(first, dtype=torch.float64)}
            if self.keep:
                after |= {"ended": begin + trained.delta, "round": torch.tensor(context.round)}
            return Trained(sent, trained.loss, after)

        return LocalPlan(begin, finish=choose)

    def largest(self, model: Trainable, place: slice, wanted: Tensor, ratio: float) -> Tensor:
        """Return what is wanted of a segment with all but the largest entries at zero.

        Args:
            model: whose factors are told apart.
            place: where the segment is in the trained vector.
            wanted: the segment's changes `[numel of the segment]`.
            ratio: the client's loss, as a multiple of its first.
        """
        out, pairs = torch.zeros_like(wanted), self.pairs(model)
        kinds = (
            ({pair.a for pair in pairs}, self.min_density),
            ({pair.b for pair in pairs}, self.min_density_b),
            ({*self.heads(model)}, self.min_density),
        )
        for names, floor in kinds:
            own = _within(model.layout, names, place)
            count = count_for_density(self.share(ratio, floor), len(own))
            kept = select_top_k(wanted[own].numpy(), count).astype(np.int64)
            chosen = own[torch.from_numpy(kept)]
            out[chosen] = wanted[chosen]
        return out

    def share(self, ratio: float, floor: float) -> float:
        """Return the share of entries that is sent at a loss of `ratio` times the first."""
        fall = max(1 - ratio, 0.0)
        return floor + (self.density - floor) * math.exp(-self.gamma * fall)

    def combine(
        self, context: RoundContext, held: Tensor, uploads: list[Upload], state: ServerMemory
    ) -> tuple[Tensor, ServerMemory]:
        """Return each segment's mean over those who sent it; what nobody sent does not move."""
        update = torch.zeros_like(held)
        senders: dict[int, list[Upload]] = {}
        for upload in uploads:
            senders.setdefault(self._segment(context.for_client(upload.client))[0], []).append(
                upload
            )
        for members in senders.values():
            _, place = self._segment(context.for_client(members[0].client))
            update[place] = mean(shares(members), [u.delta for u in members])
        return update, state

    def refuses(self, compatibility: Compatibility) -> str | None:
        """Refuse an uplink's memory: the algorithm has its own."""
        why = "remembers what it does not send by itself"
        return super().refuses(compatibility) or no_feedback(self.name, compatibility, why, "")

    def _segment(self, context: RoundContext) -> tuple[int, slice]:
        number = (context.client + context.round) % self.segments
        numel = context.model.layout.numel
        bounds = [numel * edge // self.segments for edge in (number, number + 1)]
        return number, slice(*bounds)


def _within(layout: Layout, names: set[str], place: slice) -> Tensor:
    """Return where in a segment the entries of the named tensors are, int64."""
    found = [
        torch.arange(max(own.start, place.start), min(own.stop, place.stop)) - place.start
        for name, own in layout.slices().items()
        if name in names and own.start < place.stop and place.start < own.stop
    ]
    return torch.cat(found) if found else torch.empty(0, dtype=torch.int64)
