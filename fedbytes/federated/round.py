"""One federated round, from top to bottom, as data travels.

server state -> downlink codec -> message -> client decodes -> local training -> delta ->
after_client hooks -> error feedback -> uplink codec -> message -> server decodes ->
before_aggregate hooks -> aggregate -> server optimiser -> downlink codec -> new state
"""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from fedbytes.federated.clock import Clock
from fedbytes.federated.context import Turn
from fedbytes.federated.federation import Federation
from fedbytes.federated.hooks import Context, Upload
from fedbytes.federated.protocol.channel import Channel
from fedbytes.federated.protocol.messages import (
    frame_vector,
    open_vector,
    send_announcement,
    send_metrics,
)
from fedbytes.federated.server.catch_up import bring_up_to_date, remember_update
from fedbytes.federated.server.delta_geometry import agreement
from fedbytes.federated.server.fresh_state import send_states
from fedbytes.federated.state import State
from fedbytes.streams import stream


@dataclass(frozen=True)
class RoundReport:
    """What the server learned in a round: who took part, and their mean training loss.

    `agreement` is the geometry of the deltas that it decoded (see `agreement.agreement`).
    """

    round: int
    clients: list[int]
    train_loss: float
    agreement: dict[str, float]


def run_round(state: State, fed: Federation, channel: Channel, clock: Clock) -> RoundReport:
    """Run the next round; `state` is moved forward in place.

    Raises:
        ValueError: if a client's delta is not finite, or an error-feedback residual grows
            without bound.
    """
    round_ = state.round + 1
    turn = fed.turn(round_, state.announced)
    send = bring_up_to_date if fed.algorithm.downloads == "updates" else send_states
    starts = send(state, fed, turn, channel, clock)

    uploads, losses, layouts = [], [], set()
    for client, held in zip(turn.clients, starts, strict=True):
        # Local training on the client's own part.
        with clock.phase("train"):
            rng = stream(fed.seed, "batches", round_, client)
            memory = state.client_memory.get(client, {})
            trained = fed.algorithm.train(turn.of(client), held, fed.parts[client], memory, rng)
        if trained.memory:
            state.client_memory[client] = trained.memory
        delta = trained.delta
        for after_client in fed.hooks.after_client:
            delta = after_client(delta, Context(fed.seed, round_, client))

        # What the layout of the delta follows from goes ahead of it.
        if trained.announces is not None:
            before = fed.shared_up(turn.of(client), None)
            turn = turn.heard(client, send_announcement(channel, before, trained.announces))

        # Error feedback and uplink codec on the client; the server decodes what arrived.
        shared = fed.shared_up(turn.of(client), state.reference)
        layouts.add(shared.layout.digest)
        slot = fed.slot(client, shared.layout)
        with clock.phase("encode"):
            sent = fed.uplink.encode(delta, state.up_memories.get(slot, {}), shared)
            frame = frame_vector("delta", fed.uplink.codec, shared, sent.data)
        state.guard(slot, delta, sent)
        state.up_memories[slot] = sent.held
        received, entry = channel.send(
            frame,
            round=round_,
            client=client,
            direction="up",
            kind="delta",
            encode_seconds=clock.last,
        )
        with clock.phase("decode"):
            decoded = open_vector(received, fed.uplink.codec, shared)
            decoded = fed.uplink.receive(decoded, state.up_estimates.get(slot))
        if fed.uplink.estimates:
            state.up_estimates[slot] = decoded
        entry.decode_seconds = clock.last
        examples, loss = send_metrics(channel, shared, len(fed.parts[client]), trained.loss)
        uploads.append(Upload(client, decoded, examples))
        losses.append(loss)

    # The server aggregates, and its optimiser makes the global update.
    with clock.phase("aggregate"):
        train_loss = float(np.average(losses, weights=[u.examples for u in uploads]))
        agreed = agreement(uploads) if len(layouts) == 1 else {}
        for before_aggregate in fed.hooks.before_aggregate:
            uploads = before_aggregate(uploads, Context(fed.seed, round_, -1))
        update, state.server = fed.algorithm.combine(turn, state.model, uploads, state.server)
    if fed.algorithm.downloads == "updates":
        update = broadcast_update(state, fed, turn, update, clock)
    state.model = fed.algorithm.apply(turn, state.model, update)
    state.round, state.announced = round_, dict(turn.announced)
    return RoundReport(round_, list(turn.clients), train_loss, agreed)


def broadcast_update(
    state: State, fed: Federation, turn: Turn, update: Tensor, clock: Clock
) -> Tensor:
    """Encode the update that the round ends with; return it as clients will decode it.

    The model moves by what they decode, so that both ends stay the same.
    """
    shared = fed.shared_down(turn, state.reference)
    slot = fed.slot(-1, shared.layout)
    with clock.phase("encode"):
        sent = fed.downlink.for_model.encode(update, state.down_memories.get(slot, {}), shared)
    state.encode_seconds = clock.last
    state.guard(slot, update, sent)
    state.down_memories[slot] = sent.held
    with clock.phase("decode"):
        decoded = fed.downlink.codec.decode(sent.data, shared)
    remember_update(state, fed.layout.numel, sent.data)
    state.previous = state.model
    state.reference_before, state.reference = state.reference, decoded
    return decoded
