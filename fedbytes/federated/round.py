"""One federated round, from top to bottom, as data travels.

server state -> downlink codec -> message -> client decodes -> local training -> delta ->
after_client hooks -> error feedback -> uplink codec -> message -> server decodes ->
before_aggregate hooks -> aggregate -> server optimiser -> downlink codec -> new state
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from torch import Tensor

from fedbytes.compression.core import Layout, Shared
from fedbytes.federated.agreement import agreement
from fedbytes.federated.algorithm import Algorithm, Pairing
from fedbytes.federated.broadcast import bring_up_to_date, remember_update
from fedbytes.federated.channel import SERVER, Channel
from fedbytes.federated.clock import Clock
from fedbytes.federated.download import send_states
from fedbytes.federated.hooks import Context, Hooks, Upload
from fedbytes.federated.link import Link
from fedbytes.federated.messages import frame_vector, open_vector, send_announcement, send_metrics
from fedbytes.federated.model import Trainable
from fedbytes.federated.state import State
from fedbytes.federated.turn import Turn
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
        self.algorithm.check(self.model)
        holders = sum(len(part) > 0 for part in self.parts)
        if not 1 <= self.clients_per_round <= holders:
            raise ValueError(
                f"clients_per_round must be between 1 and the {holders} clients that hold "
                f"examples, got {self.clients_per_round}"
            )
        partial = self.clients_per_round < holders
        refusal = self.algorithm.refuses(pairing(self.uplink, self.downlink, partial))
        if refusal:
            raise ValueError(refusal)

    @cached_property
    def layout(self) -> Layout:
        """What clients are kept in step with: by default the tensors that are trained."""
        return self.algorithm.held(self.model)

    def turn(self, round_: int, announced: Mapping[int, int] | None = None) -> Turn:
        """Return the server's turn in a round; `.of(client)` is a client's.

        `announced` are the numbers that clients announced before it.
        """
        return Turn(
            model=self.model,
            seed=self.seed,
            round=round_,
            clients=tuple(sample_clients(self, round_)),
            num_clients=sum(len(part) > 0 for part in self.parts),
            announced=dict(announced or {}),
        )

    def shared(self, round_: int, sender: int, reference: Tensor | None) -> Shared:
        """Return what both ends know of a message with all that is held."""
        return Shared(self.layout, seed=self.seed, round=round_, sender=sender, reference=reference)

    def shared_down(
        self, turn: Turn, reference: Tensor | None, round_: int | None = None
    ) -> Shared:
        """Return what both ends know of the update that `turn`'s round ends with.

        `round_` is the round of the message if it is another one.
        """
        return Shared(
            self.algorithm.down(turn),
            seed=self.seed,
            round=turn.round if round_ is None else round_,
            sender=SERVER,
            reference=self._known(turn, self.algorithm.down(turn), reference),
        )

    def shared_up(self, turn: Turn, reference: Tensor | None) -> Shared:
        """Return what both ends know of the message of the client whose turn it is."""
        return Shared(
            self.algorithm.up(turn),
            seed=self.seed,
            round=turn.round,
            sender=turn.client,
            reference=self._known(turn, self.algorithm.up(turn), reference),
            place=turn.place,
        )

    def _known(self, turn: Turn, layout: Layout, reference: Tensor | None) -> Tensor | None:
        """Return the update before this round as a reference, if it had the same layout."""
        if reference is None or self.algorithm.down(self.turn(turn.round - 1)) != layout:
            return None
        return reference

    def slot(self, sender: int, layout: Layout) -> str:
        """Return where a sender's memory of messages of `layout` is kept."""
        return str(sender) if layout == self.layout else f"{sender} {layout.digest:016x}"


def pairing(uplink: Link, downlink: Link, partial: bool) -> Pairing:
    """Return what decides whether an algorithm can work with these links."""
    return Pairing(
        up_name=uplink.codec.name,
        down_name=downlink.codec.name,
        up_feedback=uplink.memory.feedback != "none",
        down_feedback=downlink.memory.feedback != "none",
        up_momentum=uplink.memory.momentum > 0,
        partial=partial,
        up_differences=uplink.estimates,
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
    return State(model=fed.algorithm.initial(fed.model, fed.seed), synced=[-1] * len(fed.parts))


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
