"""The server's defences, applied to the uploads of a round."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from torch import Tensor

from fedbytes.federated.context import RoundContext
from fedbytes.federated.federation import Federation
from fedbytes.federated.hooks import Upload
from fedbytes.federated.plugins.stage_context import PluginState, StageContext
from fedbytes.federated.stages.attackers import draw_attackers
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
    layout = fed.algorithm.up(context.for_client(context.clients[0]))
    return f"{stage} {fed.memory_key(layout)}".rstrip()


def server_context(
    fed: Federation, context: RoundContext, held: Tensor, stage: str
) -> StageContext:
    """Return what a defence may know on the server in a round."""
    known = StageContext.of(context, held, stage)
    return replace(known, trusted=_trainer(fed, known))


def _trainer(fed: Federation, context: StageContext) -> Callable[[int], Tensor]:
    """Return what trains on rows that the server trusts.

    The rows are drawn once a run, of those that honest clients hold: the server was given copies
    before the first round, which no message of the run carries.
    """

    def train(count: int) -> Tensor:
        hostile = {
            client
            for attack in fed.plugins.attack
            for client in draw_attackers(attack, fed.parts, fed.seed)
        }
        held = [part for client, part in enumerate(fed.parts) if client not in hostile]
        rows = np.unique(np.concatenate(held))
        chosen = stream(fed.seed, context.stage).choice(rows, min(count, len(rows)), replace=False)
        own = context.for_client(context.clients[0])
        rng = stream(fed.seed, context.stage, context.round)
        return fed.algorithm.train(own, context.held, np.sort(chosen), {}, rng).delta

    return train
