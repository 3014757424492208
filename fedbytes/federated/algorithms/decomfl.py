"""DeComFL: clients and server share directions, and send how steep the loss is along them."""

from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from fedbytes.compression.layout import Layout
from fedbytes.federated.algorithm import ALGORITHMS, Algorithm, ClientMemory, Compatibility, Trained
from fedbytes.federated.averaging import weighted_mean
from fedbytes.federated.context import RoundContext
from fedbytes.federated.hooks import Upload
from fedbytes.federated.optimizers.server_optimizers import ServerMemory
from fedbytes.federated.zeroth_order.directions import add_directions, direction_key
from fedbytes.federated.zeroth_order.slopes import (
    FiniteDifference,
    refuse_memories,
    slopes,
)
from fedbytes.plugin_fields import bounded


@ALGORITHMS.register("decomfl")
@dataclass(frozen=True)
class DeComFL(Algorithm):
    """Zeroth-order training in a few scalars per round (Li et al. 2024, arXiv 2405.15861).

    In each of `local_steps` steps a client estimates its gradient along `perturbations` random
    directions, the same for all clients of the round, and steps. It sends the lengths of its
    steps; the server sends back their mean, and every client makes the same model of it. Nothing
    is as long as the model, so rounds that a client missed are cheaply caught up with.
    """

    takes_gradients: ClassVar[bool] = False
    needs_each: ClassVar[bool] = False
    alike_each_round: ClassVar[bool] = False
    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"local_steps": 2, "perturbations": 3, "batch_size": 8, "learning_rate": 0.01},
    )

    local_steps: int = bounded(1, least=1)
    """Steps that a client takes in a round."""
    perturbations: int = bounded(10, least=1)
    """Directions in each step."""
    batch_size: int = bounded(16, least=1)
    learning_rate: float = bounded(1e-3, above=0)
    radius: float = bounded(1e-3, above=0)
    """How far along a direction the loss is taken."""
    difference: FiniteDifference = "forward"
    """`forward`: one loss per direction and one per step, as in the paper; `central`: two each."""

    def up(self, context: RoundContext) -> Layout:
        """Return the layout of the steps' lengths."""
        return Layout({"lengths": (self.local_steps * self.perturbations,)})

    def down(self, context: RoundContext) -> Layout:
        """Return the same: what comes back is their mean."""
        return self.up(context)

    def train(
        self,
        context: RoundContext,
        start: Tensor,
        indices: np.ndarray,
        memory: ClientMemory,
        rng: np.random.Generator,
    ) -> Trained:
        """Take the local steps; the delta is how far along each direction they went."""
        model = context.model
        base = start.to(model.flat.device)
        lengths, losses = [], []
        batches = islice(model.batches(indices, self.batch_size, rng), self.local_steps)
        for step, batch in enumerate(batches):
            keys = self._keys(context, step)
            found, loss = slopes(model, base, keys, batch, self.radius, self.difference)
            steps = torch.tensor(found) * (-self.learning_rate / self.perturbations)
            if step + 1 < self.local_steps:  # only then is a second vector needed
                after = base if step else torch.empty_like(base)
                add_directions(after, base, keys, steps)
                base = after
            lengths.append(steps)
            losses.append(loss)
        return Trained(torch.cat(lengths), sum(losses) / len(losses), memory)

    def server(self, uploads: list[Upload], state: ServerMemory) -> tuple[Tensor, ServerMemory]:
        """Return the mean length along each direction, weighted by examples."""
        return weighted_mean(uploads), state

    def apply(self, context: RoundContext, held: Tensor, update: Tensor) -> Tensor:
        """Make the round's directions again and go along them."""
        keys = [key for step in range(self.local_steps) for key in self._keys(context, step)]
        after = torch.empty_like(held)
        add_directions(after, held, keys, update)
        return after

    def refuses(self, compatibility: Compatibility) -> str | None:
        """Refuse memories: every round has directions of its own."""
        return super().refuses(compatibility) or refuse_memories(self.name, compatibility)

    def _keys(self, context: RoundContext, step: int) -> list[int]:
        numbers = range(self.perturbations)
        return [direction_key(context.seed, context.round, step, number) for number in numbers]
