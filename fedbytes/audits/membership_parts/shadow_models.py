"""Models that an observer trains on public texts, as the run's clients train theirs."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor

from fedbytes.arrays import Int64s
from fedbytes.audits.membership_parts.public_texts import PublicTexts
from fedbytes.audits.membership_parts.text_losses import borrowed
from fedbytes.federated import PluginState, StageContext
from fedbytes.federated.hooks import Upload
from fedbytes.streams import stream


def divide_public(context: StageContext, population: int) -> tuple[Int64s, Int64s]:
    """Return the test texts that no shadow trains on, and those that some do, each sorted.

    Args:
        context: whose task and seed they are of.
        population: how many of the former there are, at most half of all.
    """
    model: Any = context.model
    count = len(model.task.test)
    order = stream(context.seed, f"{context.stage} public texts").permutation(count)
    kept = min(population, count // 2)
    return np.sort(order[:kept]), np.sort(order[kept:])


@dataclass(frozen=True)
class ShadowTraining:
    """How an observer trains shadows: models like the run's that never saw a client's text.

    A shadow has a random half of the public texts. It begins with the vector that the run began
    with and has as many rounds, each with one client in place of all: that trains on as many texts
    as the run's clients hold in the mean, and goes on with the next ones in the round after. The
    run's algorithm trains it, and combines and applies its delta. Nothing is encoded, clipped or
    attacked. Of a half of 400 texts, where clients hold 50, all are read once in eight rounds.

    Attributes:
        context: the round's, whose model, algorithm and seed are used, and never its truth.
        pool: rows of the test split that shadows train on.
    """

    context: StageContext
    pool: Int64s

    def begin(self) -> PluginState:
        """Return a shadow before its first round, as a checkpoint takes it."""
        assert self.context.algorithm is not None
        start = self.context.algorithm.initial(self.context.model, self.context.seed)
        return {"held": start, "server": {}, "memory": {}}

    def trained(self, shadow: PluginState, number: int, after: int) -> PluginState:
        """Return a shadow after the context's round.

        Args:
            shadow: as it was after an earlier one.
            number: which of the shadows it is.
            after: the last round that it was trained in, 0 for none.
        """
        half = self._half(number)
        with borrowed(self.context.model, self.context.held):
            for round_ in range(after + 1, self.context.round + 1):
                shadow = self._round(shadow, half, number, round_)
        return shadow

    def message(self, number: int) -> Tensor:
        """Return what a message of some other client would make of what all hold now [numel].

        That client trains on public texts, once, from the model that the round began with.
        """
        context, algorithm = self._where(self.context.round), self.context.algorithm
        assert algorithm is not None
        rows = self._half(number)[: self._examples]
        rng = self._rng("messages", number, self.context.round)
        own, start = context.for_client(0), context.held.clone()
        with borrowed(self.context.model, context.held):
            return context.held + algorithm.train(own, start, rows, {}, rng).delta

    @property
    def _examples(self) -> int:
        """How many texts a client of the run holds in the mean, rounded up."""
        return max(1, -(-self.context.num_examples // max(1, self.context.num_clients)))

    def _half(self, number: int) -> Int64s:
        """Return the texts of a shadow in an order of its own."""
        order = self._rng("halves", number).permutation(self.pool)
        return order[: max(1, -(-len(order) // 2))]

    def _round(self, shadow: PluginState, half: Int64s, number: int, round_: int) -> PluginState:
        context, algorithm = self._where(round_), self.context.algorithm
        assert algorithm is not None
        held, rows = shadow["held"], _next_rows(half, self._examples, round_)
        rng = self._rng("batches", number, round_)
        own = context.for_client(0)
        trained = algorithm.train(own, held.clone(), rows, shadow["memory"], rng)
        uploads = [Upload(0, trained.delta, len(rows))]
        update, server = algorithm.combine(context, held, uploads, shadow["server"])
        held = algorithm.apply(context, held, update)
        return {"held": held, "server": server, "memory": trained.memory}

    def _where(self, round_: int) -> StageContext:
        """Return a round of a federation of the observer's own, of one client."""
        model: Any = PublicTexts(self.context.model)
        return replace(
            self.context,
            model=model,
            round=round_,
            clients=(0,),
            num_clients=1,
            num_examples=self._examples,
            senders=1,
            announced={},
            truth=None,
            rehearse=None,
        )

    def _rng(self, purpose: str, *keys: int) -> np.random.Generator:
        return stream(self.context.seed, f"{self.context.stage} shadows' {purpose}", *keys)


def _next_rows(half: Int64s, count: int, round_: int) -> Int64s:
    """Return as many texts as a client reads in a round, from where the one before stopped."""
    count = min(count, len(half))
    return half[np.arange((round_ - 1) * count, round_ * count) % len(half)]
