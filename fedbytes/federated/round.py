"""One federated round, from top to bottom, as data travels.

server state -> downlink codec -> message -> client decodes -> local training -> delta ->
after_client hooks -> error feedback -> uplink codec -> message -> server decodes ->
before_aggregate hooks -> aggregate -> server optimiser -> downlink codec -> new state
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from torch import Tensor

from fedbytes.compression.core import Layout, Shared
from fedbytes.federated.agreement import agreement
from fedbytes.federated.algorithm import Algorithm
from fedbytes.federated.broadcast import bring_up_to_date, remember_update
from fedbytes.federated.channel import SERVER, Channel
from fedbytes.federated.clock import Clock
from fedbytes.federated.hooks import Context, Hooks, Upload
from fedbytes.federated.link import Link
from fedbytes.federated.messages import frame_vector, open_vector, send_metrics
from fedbytes.federated.model import Trainable
from fedbytes.federated.state import State
from fedbytes.streams import stream


@dataclass(frozen=True)
class Federation:
    """What stays the same through a run: who trains what, how, and over which links.

    `parts[c]` are the training examples of client `c`. With `initial="full"` a new client is
    sent the initial state; with `"seed"` it is sent the seed that both ends draw it from.
    `broadcast="unicast"` prices a broadcast once for each client that receives it,
    `"multicast"` once for all.
    """

    model: Trainable
    parts: Sequence[np.ndarray]
    algorithm: Algorithm
    uplink: Link
    downlink: Link
    clients_per_round: int
    seed: int = 0
    initial: Literal["full", "seed"] = "full"
    broadcast: Literal["unicast", "multicast"] = "unicast"
    hooks: Hooks = field(default_factory=Hooks)

    def __post_init__(self) -> None:
        holders = sum(len(part) > 0 for part in self.parts)
        if not 1 <= self.clients_per_round <= holders:
            raise ValueError(
                f"clients_per_round must be between 1 and the {holders} clients that hold "
                f"examples, got {self.clients_per_round}"
            )

    @property
    def layout(self) -> Layout:
        """The tensors that are trained and sent."""
        return self.model.layout

    def shared(
        self, round_: int, sender: int, reference: Tensor | None, place: int | None = None
    ) -> Shared:
        """Return what both ends know of the message that `sender` makes in `round_`."""
        return Shared(
            self.layout,
            seed=self.seed,
            round=round_,
            sender=sender,
            reference=reference,
            place=place,
        )


@dataclass(frozen=True)
class RoundReport:
    """What the server learned in a round: who took part, and their mean training loss.

    `agreement` is the geometry of the deltas that it decoded (see `agreement.agreement`).
    """

    round: int
    clients: list[int]
    train_loss: float
    agreement: dict[str, float]


def start(fed: Federation) -> State:
    """Return the state before the first round: initial weights drawn, nobody reached."""
    return State(model=fed.model.draw_initial(fed.seed), synced=[-1] * len(fed.parts))


def sample_clients(fed: Federation, round_: int) -> list[int]:
    """Return this round's clients, sorted: uniformly without replacement, none without data."""
    holders = np.array([c for c, part in enumerate(fed.parts) if len(part)])
    rng = stream(fed.seed, "clients", round_)
    return sorted(rng.choice(holders, fed.clients_per_round, replace=False).tolist())


def run_round(state: State, fed: Federation, channel: Channel, clock: Clock) -> RoundReport:
    """Run the next round; `state` is moved forward in place.

    Raises:
        ValueError: if a client's delta is not finite, or an error-feedback residual grows
            without bound.
    """
    round_ = state.round + 1
    clients = sample_clients(fed, round_)
    held = bring_up_to_date(state, fed, clients, round_, channel, clock)

    uploads, losses = [], []
    for place, client in enumerate(clients):
        # Local training on the client's own part.
        with clock.phase("train"):
            rng = stream(fed.seed, "batches", round_, client)
            memory = state.client_memory.get(client, {})
            trained = fed.algorithm.client(fed.model, held, fed.parts[client], memory, rng)
        if trained.memory:
            state.client_memory[client] = trained.memory
        delta = trained.delta
        for after_client in fed.hooks.after_client:
            delta = after_client(delta, Context(fed.seed, round_, client))

        # Error feedback and uplink codec on the client; the server decodes what arrived.
        shared = fed.shared(round_, client, state.reference, place)
        with clock.phase("encode"):
            sent = fed.uplink.encode(delta, state.up_memories.get(client, {}), shared)
            frame = frame_vector("delta", fed.uplink.codec, shared, sent.data)
        state.guard(client, delta, sent)
        state.up_memories[client] = sent.held
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
            decoded = fed.uplink.receive(decoded, state.up_estimates.get(client))
        if fed.uplink.estimates:
            state.up_estimates[client] = decoded
        entry.decode_seconds = clock.last
        examples, loss = send_metrics(channel, shared, len(fed.parts[client]), trained.loss)
        uploads.append(Upload(client, decoded, examples))
        losses.append(loss)

    # The server aggregates, and its optimiser makes the global update.
    with clock.phase("aggregate"):
        train_loss = float(np.average(losses, weights=[u.examples for u in uploads]))
        agreed = agreement(uploads)
        for before_aggregate in fed.hooks.before_aggregate:
            uploads = before_aggregate(uploads, Context(fed.seed, round_, -1))
        update, state.server = fed.algorithm.server(uploads, state.server)

    # Downlink codec. The model moves by what clients will decode, so both ends stay the same.
    shared = fed.shared(round_, SERVER, state.reference)
    with clock.phase("encode"):
        sent = fed.downlink.for_model.encode(update, state.down_memory, shared)
    state.encode_seconds = clock.last
    state.guard(-1, update, sent)
    state.down_memory = sent.held
    with clock.phase("decode"):
        decoded = fed.downlink.codec.decode(sent.data, shared)
    remember_update(state, fed.layout.numel, sent.data)
    state.previous, state.model = state.model, state.model + decoded
    state.reference_before, state.reference = state.reference, decoded
    state.round = round_
    return RoundReport(round_, clients, train_loss, agreed)
