"""Streaming DiLoCo: a round sends one fragment of the model, and fragments take turns."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from fedbytes.compression.layout import Layout
from fedbytes.federated.algorithm import ALGORITHMS, ClientMemory, Trained
from fedbytes.federated.algorithms.diloco import DiLoCo
from fedbytes.federated.algorithms.streaming_diloco.fragments import Fragment, make_fragments
from fedbytes.federated.context import RoundContext
from fedbytes.federated.hooks import Upload
from fedbytes.federated.optimizers.server_optimizers import ServerMemory
from fedbytes.federated.trainable import Trainable
from fedbytes.plugin_fields import bounded

_OWN = "own vector", "own round"


@ALGORITHMS.register("streaming_diloco")
@dataclass(frozen=True)
class StreamingDiLoCo(DiLoCo):
    """DiLoCo by fragments (Douillard et al. 2025, arXiv 2501.18512).

    Round t ends with fragment (t - 1) mod P alone being sent both ways: whole tensors, strided
    over the layers. A worker keeps its own values of the others. So each
    fragment is synchronised every P rounds of `local_steps` inner steps (the paper's H is their
    product) and the peak of a round's bytes is a P-th of DiLoCo's. With `fragments=1` it is DiLoCo.

    What is evaluated is what all hold: each fragment as it was last synchronised.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"local_steps": 3, "batch_size": 8, "fragments": 2},
        {"local_steps": 3, "batch_size": 8, "fragments": 3, "overlap": 1, "mixing": 0.5},
    )

    fragments: int = bounded(4, least=1)
    """P; in how many rounds every tensor is sent once."""
    overlap: int = bounded(0, least=0)
    """Inner steps of the next round that a worker takes before it has the update (tau)."""
    mixing: float = bounded(0.0, least=0, below=1)
    """Share of its own values that a worker keeps when it takes an update up (alpha)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.overlap and (self.local_steps is None or self.overlap >= self.local_steps):
            raise ValueError(
                f"overlap={self.overlap} must be below local_steps, got "
                f"local_steps={self.local_steps}"
            )

    def synced_layout(self, model: Trainable) -> Layout:
        """Return the trained tensors.

        Raises:
            ValueError: if they do not make so many fragments.
        """
        make_fragments(model.layout, self.fragments)
        return model.layout

    def up(self, context: RoundContext) -> Layout:
        """Return the layout of the round's fragment."""
        return self._fragment(context).layout

    def down(self, context: RoundContext) -> Layout:
        """Return the layout of the round's fragment."""
        return self._fragment(context).layout

    def train(
        self,
        context: RoundContext,
        start: Tensor,
        indices: np.ndarray,
        memory: ClientMemory,
        rng: np.random.Generator,
    ) -> Trained:
        """Go on from the worker's own values; return what changed of the round's fragment.

        `start` is what all hold; the change is since the fragment was last synchronised.
        """
        moments = {key: value for key, value in memory.items() if key not in _OWN}
        model, newest = context.model, self._fragment(context, -1)

        def take_update(step: int) -> None:
            if step == self.overlap and context.round > 1:
                whole = model.flat.detach()
                theirs = newest.take(start).to(whole.device)
                newest.put(torch.lerp(theirs, newest.take(whole), self.mixing), whole)

        begin = self._goes_on(context, start, memory)
        trained = self.inner(context, begin, indices, moments, rng, take_update)
        own = model.flat.detach().to("cpu", torch.float32, copy=True)
        now = self._fragment(context)
        keep = {_OWN[0]: own, _OWN[1]: torch.tensor(context.round)}
        return Trained(now.take(own) - now.take(start), trained.loss, trained.memory | keep)

    def combine(
        self, context: RoundContext, held: Tensor, uploads: list[Upload], state: ServerMemory
    ) -> tuple[Tensor, ServerMemory]:
        """Take the outer step of the round's fragment, whose momentum is its own."""
        mark = f"{(context.round - 1) % self.fragments}/"
        mine = {k.removeprefix(mark): v for k, v in state.items() if k.startswith(mark)}
        update, after = self.server(uploads, mine)
        return update, state | {mark + key: value for key, value in after.items()}

    def apply(self, context: RoundContext, held: Tensor, update: Tensor) -> Tensor:
        """Return what is held with the round's fragment moved by the update."""
        after, fragment = held.clone(), self._fragment(context)
        fragment.put(fragment.take(held) + update, after)
        return after

    def _goes_on(self, context: RoundContext, start: Tensor, memory: ClientMemory) -> Tensor:
        """Return the worker's starting point: its own values, and the updates that it missed.

        The newest update is left out; it arrives `overlap` steps into the round.
        """
        if _OWN[0] not in memory:
            return start
        own, last = memory[_OWN[0]].clone(), int(memory[_OWN[1]])
        missed = range(max(last, context.round - self.fragments - 1), context.round - 1)
        for round_ in missed:
            fragment = self._fragment(context, round_ - context.round)
            fragment.put(fragment.take(start), own)
        return own

    def _fragment(self, context: RoundContext, later: int = 0) -> Fragment:
        """Return the fragment of the round that is so many later."""
        return make_fragments(context.model.layout, self.fragments)[
            (context.round + later - 1) % self.fragments
        ]
