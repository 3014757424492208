"""FedKSeed: the model is where a finite set of directions leads, so a few thousand numbers."""

import functools
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fedbytes.compression.layout import Layout
from fedbytes.federated.algorithm import ALGORITHMS, Algorithm, ClientMemory, Compatibility, Trained
from fedbytes.federated.context import RoundContext
from fedbytes.federated.hooks import Upload
from fedbytes.federated.optimizers.server_optimizers import ServerMemory
from fedbytes.federated.trainable import Trainable, scratch_of
from fedbytes.federated.zeroth_order.directions import add_directions, direction_key
from fedbytes.federated.zeroth_order.slopes import (
    FiniteDifference,
    refuse_memories,
    slopes,
)
from fedbytes.plugin_fields import bounded
from fedbytes.streams import stream

_SEED_PIECES = 4
"""A seed below 2^64 in pieces of 16 bits, each exact as float32."""
Places = npt.NDArray[np.int64]


@ALGORITHMS.register("fedkseed")
@dataclass(frozen=True)
class FedKSeed(Algorithm):
    """Zeroth-order training along a finite set of seeds (Qin et al. 2023, arXiv 2312.06353).

    The model is the initial one plus, for each of `seeds` directions, an accumulated length times
    the direction; the lengths and the run's seed are all that is held. In each local step a client
    draws one of the seeds and goes along its direction by the learning rate times the slope.

    A model is always built from the initial one and the lengths that are not 0, in the order of
    the seeds, so it is the same to the bit however it came about. That takes a pass over the model
    for each seed in use; within a process the last one built is kept.
    """

    takes_gradients: ClassVar[bool] = False
    examples: ClassVar[tuple[dict[str, Any], ...]] = tuple(
        {"seeds": 32, "local_steps": 3, "batch_size": 8, "learning_rate": 0.01, "draws": draws}
        for draws in ("shared", "own")
    )

    seeds: int = bounded(4096, least=1)
    """Candidate seeds; clients hold as many numbers."""
    local_steps: int = bounded(20, least=1)
    """Steps that a client takes in a round, each along one seed's direction."""
    batch_size: int = bounded(16, least=1)
    learning_rate: float = bounded(1e-5, above=0)
    radius: float = bounded(5e-4, above=0)
    """How far along a direction the loss is taken."""
    difference: FiniteDifference = "central"
    """`central`: two losses per step, as in the paper; `forward`: one at the point itself."""
    draws: Literal["shared", "own"] = "shared"
    """Who knows which seeds a client draws. `shared`: both ends draw them from the run's seed, and
    only lengths travel. `own`: the client alone, as in the paper; it sends all its accumulated
    lengths, for which an uplink `threshold` of 32 bits sends pairs of place and value."""

    def synced_layout(self, model: Trainable) -> Layout:
        """Return the layout of the seed and the accumulated lengths."""
        return Layout({"seed": (_SEED_PIECES,), "lengths": (self.seeds,)})

    def initial(self, model: Trainable, seed: int) -> Tensor:
        """Return the seed, and no length anywhere."""
        pieces = [float(seed >> 16 * place & 0xFFFF) for place in range(_SEED_PIECES)]
        return torch.cat([torch.tensor(pieces), torch.zeros(self.seeds)])

    def up(self, context: RoundContext) -> Layout:
        """Return the layout of a client's lengths: one per step, or one per seed."""
        if self.draws == "own":
            return Layout({"lengths": (self.seeds,)})
        return Layout({f"steps of client {context.client}": (self.local_steps,)})

    def down(self, context: RoundContext) -> Layout:
        """Return the layout of the changed lengths: of seeds that were drawn, or of all."""
        if self.draws == "own":
            return Layout({"lengths": (self.seeds,)})
        return Layout({"drawn lengths": (len(self._drawn_by_any(context)),)})

    def train(
        self,
        context: RoundContext,
        start: Tensor,
        indices: np.ndarray,
        memory: ClientMemory,
        rng: np.random.Generator,
    ) -> Trained:
        """Build the model, take the local steps; the delta is how far they went."""
        model = context.model
        here = self._built(model, start).to(model.flat.device, copy=True)
        places = self._drawn(context, context.client)
        keys = _candidates(_seed_in(start), self.seeds)
        lengths, losses = torch.empty(self.local_steps), []
        batches = islice(model.batches(indices, self.batch_size, rng), self.local_steps)
        for step, (batch, place) in enumerate(zip(batches, places.tolist(), strict=True)):
            key = [keys[place]]
            found, loss = slopes(model, here, key, batch, self.radius, self.difference)
            lengths[step] = -self.learning_rate * found[0]
            add_directions(here, here, key, lengths[step : step + 1])
            losses.append(loss)
        delta = _summed(places, lengths, self.seeds) if self.draws == "own" else lengths
        return Trained(delta, sum(losses) / len(losses), memory)

    def combine(
        self, context: RoundContext, held: Tensor, uploads: list[Upload], state: ServerMemory
    ) -> tuple[Tensor, ServerMemory]:
        """Return the mean change of every seed's length, clients weighted by examples."""
        total = sum(upload.examples for upload in uploads)
        change = torch.zeros(self.seeds)
        for upload in uploads:
            mine = upload.delta
            if self.draws == "shared":
                mine = _summed(self._drawn(context, upload.client), mine, self.seeds)
            change.add_(mine, alpha=upload.examples / total)
        if self.draws == "shared":
            change = change[torch.from_numpy(self._drawn_by_any(context))]
        return change, state

    def apply(self, context: RoundContext, held: Tensor, update: Tensor) -> Tensor:
        """Add the changes to the lengths that they are of."""
        after = held.clone()
        if self.draws == "own":
            after[_SEED_PIECES:] += update
        else:
            after[_SEED_PIECES + torch.from_numpy(self._drawn_by_any(context))] += update
        return after

    def load(self, model: Trainable, held: Tensor) -> None:
        """Build the model from the seed and the lengths."""
        model.set_state(self._built(model, held))

    def refuses(self, compatibility: Compatibility) -> str | None:
        """Refuse memories where a message is of other seeds each round."""
        refused = refuse_memories(self.name, compatibility) if self.draws == "shared" else None
        if refused is not None:
            refused += " or algorithm.draws=own"
        return super().refuses(compatibility) or refused

    def server(self, uploads: list[Upload], state: ServerMemory) -> tuple[Tensor, ServerMemory]:
        """Not asked: whose seeds are whose follows from the context, which `combine` has."""
        raise NotImplementedError

    def _drawn(self, context: RoundContext, client: int) -> Places:
        """Return the seeds that a client goes along, one per step."""
        rng = stream(context.seed, "algorithm fedkseed", context.round, client)
        return rng.integers(self.seeds, size=self.local_steps)

    def _drawn_by_any(self, context: RoundContext) -> Places:
        anyone = context.clients or (0,)  # where coins drew nobody, zeros at some client's seeds
        return np.unique(np.concatenate([self._drawn(context, client) for client in anyone]))

    def _built(self, model: Trainable, held: Tensor) -> Tensor:
        """Return the trained vector that is held, float32 [layout.numel] on the CPU."""
        scratch = scratch_of(model)
        last: tuple[Tensor, Tensor] | None = scratch.get(_LAST_BUILT)
        if last is None or not torch.equal(last[0], held):
            seed = _seed_in(held)
            initial = model.draw_initial(seed)
            vector = torch.empty_like(initial)
            add_directions(vector, initial, _candidates(seed, self.seeds), held[_SEED_PIECES:])
            last = (held.clone(), vector)
            scratch[_LAST_BUILT] = last
        return last[1]


_LAST_BUILT = "fedkseed: last built"
"""In a model's scratch: the lengths that its vector was last built from, and the vector."""


@functools.lru_cache(maxsize=8)
def _candidates(seed: int, count: int) -> tuple[int, ...]:
    return tuple(direction_key(seed, number) for number in range(count))


def _seed_in(held: Tensor) -> int:
    return sum(int(piece) << 16 * i for i, piece in enumerate(held[:_SEED_PIECES].tolist()))


def _summed(places: Places, lengths: Tensor, count: int) -> Tensor:
    """Return the lengths added up where a seed was drawn more than once, [count]."""
    sums = np.bincount(places, weights=lengths.double().numpy(), minlength=count)
    return torch.from_numpy(sums.astype(np.float32))
