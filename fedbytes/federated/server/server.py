"""The server as a party of the round: it sends, receives, aggregates and broadcasts."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from fedbytes.compression.frame import Frame
from fedbytes.compression.layout import Shared
from fedbytes.compression.summable import Integers, as_summable
from fedbytes.federated.clock import Clock
from fedbytes.federated.context import RoundContext
from fedbytes.federated.federation import Federation
from fedbytes.federated.hooks import Context, Upload
from fedbytes.federated.plugins.stage_context import Wire
from fedbytes.federated.protocol.channel import SERVER, Message
from fedbytes.federated.protocol.integer_sums import IntegerSums
from fedbytes.federated.protocol.link import Link
from fedbytes.federated.protocol.messages import (
    KIND_NAMES,
    check_frame_kind,
    check_layout,
    open_announcement,
    open_integers,
    open_metrics,
)
from fedbytes.federated.protocol.root_examples import RootExamples
from fedbytes.federated.server.broadcast import broadcast_update
from fedbytes.federated.server.catch_up import CatchUp
from fedbytes.federated.server.delta_geometry import delta_geometry
from fedbytes.federated.server.fresh_state import FreshStates
from fedbytes.federated.server.opened_deltas import absent_uploads, open_delta, preview_delta
from fedbytes.federated.server.round_report import RoundReport
from fedbytes.federated.server.server_state import ServerState
from fedbytes.federated.stages.server_defenses import defend
from fedbytes.federated.stages.server_privacy import note_senders, release
from fedbytes.federated.stages.trusted_rows import root_examples


class Server:
    """The server: it knows the run's configuration, its own state, and what it receives.

    Args:
        fed: the configuration that server and clients share.
        state: what it keeps, changed in place.
        clock: counts its seconds.
    """

    def __init__(self, fed: Federation, state: ServerState, clock: Clock | None = None) -> None:
        self.fed, self.state, self.clock = fed, state, clock or Clock()
        self._root: RootExamples | None = None

    def open_round(self) -> RoundContext:
        """Begin the next round; return its context, which says who takes part."""
        fed, state = self.fed, self.state
        self.context = fed.context(state.round + 1, state.announced)
        self.examples: dict[int, int] = {}
        self._losses: dict[int, float] = {}
        self._dropped: set[int] = set()
        self._exchange = 0
        self._made: dict[bytes, Message] = {}
        self._session = fed.aggregation.server(self)
        self._book_encoding()
        in_step = fed.algorithm.downloads == "updates"
        with self.clock.phase("encode"):
            self._downlink = (
                CatchUp(state, fed, self.context.round)
                if in_step
                else FreshStates(state, fed, self.context)
            )
        return self.context

    def open_evaluation(self) -> None:
        """Between rounds: have `messages_for` bring clients up to date with the newest model."""
        state, self._exchange = self.state, 0
        self._book_encoding()
        with self.clock.phase("encode"):
            self._downlink = CatchUp(state, self.fed, state.round + 1)

    def _book_encoding(self) -> None:
        """Have the message that carries the newest update first carry its encoding seconds too."""
        state = self.state
        self.clock.carry("encode", state.encode_seconds)
        state.encode_seconds = 0.0

    def messages_for(self, client: int) -> list[Message]:
        """Return what a client is sent at the start of the exchange."""
        if self._exchange:
            return [self._message(data) for data in self._session.messages(client)]
        with self.clock.phase("encode"):
            messages = [*self._trusted_examples(client), *self._downlink.messages(client)]
        self.state.synced[client] = self.state.round
        return messages

    def _trusted_examples(self, client: int) -> list[Message]:
        """Return the message of the trusted examples, for a client that was never reached."""
        if not self.fed.plugins.root_examples or self.state.synced[client] >= 0:
            return []
        if self._root is None:
            self._root = root_examples(self.fed)
        assert self._root is not None
        data = self._root.frame(self.shared).pack()
        return [self._made.setdefault(data, Message(data, "root"))]

    def receive(self, client: int, frames: Iterable[bytes]) -> None:
        """Take a client's messages of the exchange in.

        Where clients may be hostile, one that sends a malformed message is dropped from the round:
        nothing that it sent is used. Its bytes have crossed all the same.

        Raises:
            ValueError: for a message that is damaged, of another sender or round, or not of the
                run's configuration, in a run without an attack; with one, if the aggregation
                cannot go on without it (see `ServerSession.forget`).
        """
        before = self.context
        for data in frames:
            if client in self._dropped:
                continue  # asked for, so that it crosses
            try:
                self._take(client, data)
            except ValueError:
                if not self.fed.plugins.attack:
                    raise
                self._drop(client, before)
        silent = client not in self.examples and self.fed.aggregation.opens_each
        if self.fed.plugins.attack and silent:
            self._drop(client, before)

    def _take(self, client: int, data: bytes) -> None:
        frame = Frame.unpack(data, round=self.context.round, sender=client)
        kind = KIND_NAMES.get(frame.kind)
        if kind == "announcement":
            check_layout(frame, self.shared_up(client))
            number = open_announcement(frame)
            self.context = self.context.with_announcement(client, number)
        elif kind == "metrics" and self.fed.plugins.hides_examples:
            raise ValueError(
                f"round {frame.round}: client {client} sent metrics, which are private in this run"
            )
        elif kind == "metrics":
            self.examples[client], self._losses[client] = open_metrics(frame)
        else:
            self._session.receive(client, frame)
            if self.fed.plugins.hides_examples:
                self.examples[client] = 1  # all count alike

    def _drop(self, client: int, before: RoundContext) -> None:
        """Forget what a client sent in this round; `before` is the context before it did."""
        self._dropped.add(client)
        self._session.forget(client)
        self.examples.pop(client, None)
        self._losses.pop(client, None)
        self.context = before

    def _message(self, data: bytes) -> Message:
        """Return a message of the exchange: what several are sent is one, for a multicast."""
        kind, _ = Frame.peek(data)
        return self._made.setdefault(data, Message(data, KIND_NAMES[kind]))

    def next_exchange(self) -> Sequence[int]:
        """Begin a further exchange of the round; return who takes part in it."""
        self._exchange += 1
        self._made = {}
        with self.clock.phase("aggregate"):
            return self._session.next_exchange()

    def close_round(self, opened: tuple[list[Upload], float | None] | None = None) -> RoundReport:
        """Aggregate what was received, and broadcast the update; the state moves by one round.

        Args:
            opened: the uploads and the mean loss as a client opened them, where the server cannot.
                Its model then stands for what clients hold, who have moved by themselves.

        Raises:
            ValueError: if an error-feedback residual grows without bound.
        """
        fed, state, context = self.fed, self.state, self.context
        with self.clock.phase("aggregate"):
            uploads = self._session.uploads() if opened is None else list(opened[0])
            note_senders(fed, context, self._session.outcome, state.privacy, self._session.counted)
            self._require_deltas(uploads)
            senders = len(uploads)
            geometry = delta_geometry(uploads) if uploads and self._comparable() else {}
            uploads += absent_uploads(fed, state, context, uploads)
            if fed.plugins.releases_sum:
                uploads = release(fed, context, uploads, state.privacy)
                senders = fed.clients_per_round  # how many there were is the clients' secret
            for before_aggregate in fed.hooks.before_aggregate:
                uploads = before_aggregate(uploads, Context(fed.seed, context.round, -1))
            uploads = defend(fed, context, state.model, uploads, state.defenses)
            update = self._combine(uploads, senders)
        self._move(update)
        state.round, state.announced = context.round, dict(context.announced)
        loss = self._train_loss()
        if opened is not None:
            loss = opened[1]
            for client in context.clients:
                state.synced[client] = context.round
        return RoundReport(
            context.round,
            list(context.clients),
            loss,
            geometry,
            tuple(sorted(self._dropped)),
            {client: (self.examples[client], loss) for client, loss in self._losses.items()},
            self._session.outcome,
        )

    def _require_deltas(self, uploads: list[Upload]) -> None:
        """Drop clients that sent metrics and no delta, where clients may be hostile."""
        if not self.fed.plugins.attack or not self.fed.aggregation.opens_each:
            return
        for client in set(self.examples) - {upload.client for upload in uploads}:
            self._dropped.add(client)
            del self.examples[client], self._losses[client]

    def _combine(self, uploads: list[Upload], senders: int) -> Tensor | None:
        """Return the update that the algorithm makes; None if there is nothing to make it of."""
        if not uploads:
            return None
        update, self.state.optimizer = self.fed.algorithm.combine(
            replace(self.context, senders=senders), self.state.model, uploads, self.state.optimizer
        )
        return update

    def _move(self, update: Tensor | None) -> None:
        """Broadcast the update, and move the model by what clients will decode."""
        fed, state, context = self.fed, self.state, self.context
        if fed.algorithm.downloads == "updates":
            nothing = torch.zeros(fed.algorithm.down(context).numel)
            update = nothing if update is None else update
            update = broadcast_update(fed, state, context, update, self.clock)
        if update is not None:
            state.model = fed.algorithm.apply(context, state.model, update)

    def _train_loss(self) -> float | None:
        """Return the mean of clients' losses, weighted by their examples, if it is known."""
        if not self._losses:
            return self._session.train_loss
        weights = [float(self.examples[client]) for client in self._losses]  # 2^63 twice is 0
        return float(np.average(list(self._losses.values()), weights=weights))

    @property
    def uplink(self) -> Link:
        """The link of clients' deltas."""
        return self.fed.uplink

    @property
    def sums(self) -> IntegerSums:
        """How the round's deltas become integers that add."""
        return self.fed.integer_sums(self.context, self.state.privacy)

    @property
    def takes_image(self) -> bool:
        """Whether the algorithm wants the mean as the uplink maps it."""
        return self.fed.algorithm.takes_image

    @property
    def shared(self) -> Shared:
        """What both ends know of a message that the server sends in an exchange."""
        return self.fed.shared(self.context.round, SERVER, None)

    def shared_up(self, client: int) -> Shared:
        """Return what both ends know of a client's message."""
        return self.fed.shared_up(self.context.for_client(client), self.state.reference)

    @property
    def wire(self) -> Wire:
        """What clients know of their uplink, which attacks may ask."""
        fed, state = self.fed, self.state
        return Wire(
            lambda client: self.shared_up(client),
            lambda client, delta: preview_delta(fed, state, self.shared_up(client), delta),
        )

    def open(self, client: int, frame: Frame) -> Tensor:
        """Return the delta that a client's message stands for.

        Raises:
            ValueError: if the message does not decode.
        """
        return open_delta(self.fed, self.state, self.shared_up(client), frame, self.clock)

    def open_integers(self, client: int, frame: Frame) -> Integers:
        """Return the integers in a client's message, whose codec adds; nothing is decoded.

        Raises:
            ValueError: if the message is malformed.
        """
        check_frame_kind(frame, "delta")
        with self.clock.phase("decode"):
            codec = as_summable(self.fed.uplink.codec)
            return open_integers(frame, codec, self.shared_up(client))

    def _comparable(self) -> bool:
        """Return whether the server saw each delta and may tell, and all in one layout."""
        if self.fed.plugins.releases_sum:
            return False
        algorithm, context = self.fed.algorithm, self.context
        layouts = {algorithm.up(context.for_client(client)) for client in context.clients}
        return self.fed.aggregation.opens_each and len(layouts) == 1
