"""Rounds of what federation is compared with: nothing crosses, or the clients' texts do."""

from collections.abc import Sequence

import numpy as np

from fedbytes.compression.frame import Frame
from fedbytes.federated.algorithm import Trained
from fedbytes.federated.local_clients import LocalClients
from fedbytes.federated.protocol.channel import Channel
from fedbytes.federated.protocol.messages import frame_texts, open_texts
from fedbytes.federated.server.round_report import RoundReport
from fedbytes.federated.server.server import Server
from fedbytes.streams import stream


def run_reference_round(server: Server, clients: LocalClients, channel: Channel) -> RoundReport:
    """Run a round of an algorithm by which no vector travels (`Algorithm.travels`).

    Raises:
        ValueError: if texts are to travel and the federation has none.
    """
    if server.fed.algorithm.travels == "nothing":
        return _train_alone(server, clients)
    _gather(server, channel)
    return _train_together(server)


def _train_alone(server: Server, clients: LocalClients) -> RoundReport:
    """Let each client of the round train its own model."""
    context, replica = server.open_round(), clients.replica
    replica.version, replica.vector = context.round - 1, server.state.model  # drawn by all
    for client in context.clients:
        clients[client].state.version = context.round - 1
    found = dict(clients.train(context))
    return _close(server, list(context.clients), [*found.values()], [*found])


def _gather(server: Server, channel: Channel) -> None:
    """Have every client that has not done so send its texts."""
    fed, state = server.fed, server.state
    context = server.open_round()
    if fed.texts is None:
        raise ValueError(
            f"algorithm {fed.algorithm.name!r} has clients send their texts, which this federation "
            "does not have: give Federation(texts=…)"
        )
    for client in fed.population.holders.tolist():
        if state.synced[client] >= 0:
            continue
        shared = fed.shared(context.round, client, None)
        frames = [frame_texts(fed.texts(client), shared).pack()]
        for data in channel.up(context.round, client, frames):
            open_texts(Frame.unpack(data, round=context.round, sender=client))
        state.synced[client] = context.round


def _train_together(server: Server) -> RoundReport:
    """Train one model on the examples of all clients."""
    fed, state, context = server.fed, server.state, server.context
    holders = fed.population.holders.tolist()
    rows = np.concatenate([fed.parts[client] for client in holders])
    again = (fed.batch_stream,) if fed.batch_stream else ()
    rng = stream(fed.seed, "batches", context.round, *again)
    with server.clock.phase("train"):
        trained = fed.algorithm.train(context, state.model, rows, state.optimizer, rng)
    state.model, state.optimizer = state.model + trained.delta, trained.memory
    return _close(server, holders, [trained], [])


def _close(
    server: Server, clients: list[int], trained: list[Trained], reporters: Sequence[int]
) -> RoundReport:
    """End the round; `reporters` are the clients of `trained`, none where it is of all."""
    server.state.round = server.context.round
    sizes = [len(server.fed.parts[client]) for client in reporters] or [1]
    losses = [one.loss for one in trained]
    said = {c: (size, loss) for c, size, loss in zip(reporters, sizes, losses, strict=False)}
    loss = float(np.average(losses, weights=sizes)) if losses else None
    return RoundReport(server.context.round, clients, loss, {}, reported=said)
