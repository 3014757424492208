"""The server's defences, applied to the uploads of a round."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor

from fedbytes.federated.algorithm import Algorithm
from fedbytes.federated.context import RoundContext
from fedbytes.federated.federation import Federation
from fedbytes.federated.hooks import Upload
from fedbytes.federated.plugins.stage_context import PluginState, StageContext, Tune
from fedbytes.federated.stages.trusted_rows import trusted_rows
from fedbytes.streams import stream


def defend(
    fed: Federation,
    context: RoundContext,
    held: Tensor,
    uploads: list[Upload],
    states: dict[str, PluginState],
) -> list[Upload]:
    """Return what the algorithm aggregates.

    Args:
        fed: the federation.
        context: the server's.
        held: what clients hold.
        uploads: what it decoded.
        states: what each defence keeps, changed in place.

    Raises:
        ValueError: if a defence is for deltas of one layout, and these are of several.
    """
    for place, defense in enumerate(fed.plugins.defense):
        if "uploads" not in defense.stages or not uploads:
            continue
        if defense.one_layout and len({upload.delta.shape for upload in uploads}) > 1:
            raise ValueError(
                f"defense {defense.name!r} needs deltas of one layout, and clients of round "
                f"{context.round} send several: take another defense or algorithm"
            )
        where = server_context(fed, context, held, f"defense {place} {defense.name}")
        kept = _kept_at(fed, context, where.stage)
        uploads, states[kept] = defense.uploads(uploads, where, states.get(kept, {}))
    return uploads


def _kept_at(fed: Federation, context: RoundContext, stage: str) -> str:
    """Return where a defence keeps its state: of each layout its own, as rounds may take turns."""
    layout = fed.algorithm.up(context.for_client(_anyone(fed, context)))
    return f"{stage} {fed.memory_key(layout)}".rstrip()


def _anyone(fed: Federation, context: RoundContext) -> int:
    """Return a client of the round, or any where nobody was drawn."""
    return context.clients[0] if context.clients else fed.holders[0]


def server_context(
    fed: Federation, context: RoundContext, held: Tensor, stage: str
) -> StageContext:
    """Return what a defence may know on the server in a round."""
    known = StageContext.of(context, held, stage)
    return replace(known, trusted=_trainer(fed, known), tune=_tuner(fed, known))


def begin(fed: Federation, held: Tensor) -> Tensor:
    """Return what the server begins with, after its defences; `held` is the initial vector."""
    context = replace(fed.context(1), round=0)
    for place, defense in enumerate(fed.plugins.defense):
        if "start" in defense.stages:
            where = server_context(fed, context, held, f"defense {place} {defense.name}")
            held = defense.start(where)
    return held


def _tuner(fed: Federation, context: StageContext) -> Tune:
    """Return what trains on the server's own examples; no byte is counted for these."""

    def tune(start: Tensor, count: int, steps: int, rate: float | None) -> Tensor:
        rows = fed.server_rows
        chosen = stream(fed.seed, context.stage).choice(rows, min(count, len(rows)), replace=False)
        own = context.for_client(_anyone(fed, context))
        rng = stream(fed.seed, context.stage, context.round)
        rates = {} if rate is None else {"learning_rate": rate}
        algorithm: Any = fed.algorithm
        longer: Algorithm = replace(algorithm, local_steps=steps, local_epochs=None, **rates)
        trained = longer.train(own, start, np.sort(chosen), {}, rng)
        return trained.delta

    return tune


def _trainer(fed: Federation, context: StageContext) -> Callable[[int], Tensor]:
    """Return what trains on rows that the server trusts.

    The rows are drawn once a run, of those that honest clients hold: the server was given copies
    before the first round, which no message of the run carries.
    """

    def train(count: int) -> Tensor:
        rows = trusted_rows(fed)
        chosen = stream(fed.seed, context.stage).choice(rows, min(count, len(rows)), replace=False)
        own = context.for_client(_anyone(fed, context))
        rng = stream(fed.seed, context.stage, context.round)
        return fed.algorithm.train(own, context.held, np.sort(chosen), {}, rng).delta

    return train
