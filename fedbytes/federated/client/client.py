"""A client as a party of the round: it receives bytes, trains on its own examples, sends bytes."""

from collections.abc import Iterable, MutableMapping
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor

from fedbytes.compression.codec import Codec
from fedbytes.compression.error_feedback import SenderState
from fedbytes.compression.frame import Frame
from fedbytes.compression.layout import Shared
from fedbytes.compression.summable import Integers
from fedbytes.federated.algorithm import ClientMemory, ClientTurn, Trained
from fedbytes.federated.client.client_state import ClientState, LentClient
from fedbytes.federated.clock import Clock
from fedbytes.federated.context import RoundContext
from fedbytes.federated.exchange.parties import Kept
from fedbytes.federated.exchange.sessions import ClientSession
from fedbytes.federated.federation import Federation
from fedbytes.federated.hooks import Context, Upload
from fedbytes.federated.protocol.integer_sums import IntegerSums
from fedbytes.federated.protocol.link import check_residual
from fedbytes.federated.protocol.messages import (
    KIND_NAMES,
    frame_announcement,
    frame_metrics,
    frame_vector,
    open_vector,
)
from fedbytes.federated.protocol.opened_frames import OpenedFrames
from fedbytes.federated.protocol.root_examples import RootExamples
from fedbytes.federated.replica import Replica
from fedbytes.federated.stages.client_stages import clean, defended_loss, protect
from fedbytes.federated.stages.hostile_training import hostile_training
from fedbytes.federated.stages.private_steps import private_steps
from fedbytes.streams import stream


class Client:
    """One client. It knows the run's configuration, its own examples and what it was sent.

    Args:
        fed: the configuration that server and clients share, with the client's model.
        number: which client it is; its examples are `fed.rows(number, round)`.
        state: what it keeps, changed in place; a new one by default.
        replica: where it decodes what it is kept in step with; one of its own by default.
        clock: counts its seconds.
        states: where its state lies among those of others, instead of `state`.
        opened: where it looks up frames that others in this process have opened.
    """

    def __init__(
        self,
        fed: Federation,
        number: int,
        state: ClientState | None = None,
        replica: Replica | None = None,
        clock: Clock | None = None,
        *,
        states: MutableMapping[int, ClientState] | None = None,
        opened: OpenedFrames | None = None,
    ) -> None:
        self.fed, self.number = fed, number
        self._states = {number: state or ClientState()} if states is None else states
        self._opened = opened or OpenedFrames()
        self.replica = replica or Replica()
        self.clock = clock or Clock()
        self._sent: tuple[int, Tensor] | None = None
        self._uplink = fed.uplink
        self._memory_before: ClientMemory = {}
        self._context: RoundContext | None = None
        self._session: ClientSession | None = None

    @property
    def state(self) -> ClientState:
        """What it keeps. It is asked for anew each time, as it may lie on disk in between."""
        return self._states[self.number]

    def receive(self, frames: Iterable[bytes]) -> None:
        """Take messages of the server in.

        Raises:
            ValueError: for a message that is damaged, of another sender or configuration, or out of
                order.
        """
        for data in frames:
            frame = self._opened.of(data)
            with self.clock.phase("decode"):
                self._take(KIND_NAMES.get(frame.kind, "unknown"), frame)

    def _take(self, kind: str, frame: Frame) -> None:
        fed, state, replica = self.fed, self.state, self.replica
        if kind == "seed":
            state.version = replica.take_seed(fed, frame)
        elif kind == "state" and fed.algorithm.downloads == "state":
            shared = fed.shared_down(self._own(fed.context(frame.round)), None)
            self._sent = frame.round, open_vector(frame, fed.downlink.codec, shared)
        elif kind == "state":
            state.version = replica.take_state(fed, frame)
        elif kind == "root":
            RootExamples.open(frame.payload)  # refused now rather than when it is used
            state.root = frame.payload
        elif kind == "reference":
            replica.take_reference(fed, frame)
        elif kind == "update":
            state.version = replica.take_update(fed, frame, state.version)
        elif self._session is not None and frame.round == self.context.round:
            self._session.receive(frame)
        else:
            raise ValueError(
                f"client {self.number} was sent a message of kind {kind!r} of round {frame.round} "
                "and takes part in no exchange of that round"
            )

    def train(self, context: RoundContext) -> Trained:
        """Train on the client's own examples, from what it holds.

        Raises:
            ValueError: if it holds nothing, or not the newest version.
        """
        turn = self.begin_training(context)
        with (
            self.clock.phase("train"),
            defended_loss(self.fed, turn.context, turn.start),
            private_steps(self.fed, turn.context),
            hostile_training(self.fed, turn.context, turn.start, self.state.plugins) as constrain,
        ):
            trained = constrain(self.fed.algorithm.train(*turn))
        return self.end_training(trained)

    def begin_training(self, context: RoundContext) -> ClientTurn:
        """Return what the client trains from and on, after its cleaners.

        Raises:
            ValueError: if it holds nothing, or not the newest version.
        """
        self._context = self._own(context)
        (round_, start), self._sent = self._sent or (0, None), None
        if round_ != context.round:
            start = None  # one from an earlier round, of which nothing came
        if self.fed.algorithm.downloads == "updates" and self.state.version == context.round - 1:
            start = self.replica.vector
        if start is None:
            raise ValueError(
                f"client {self.number} takes part in round {context.round} and holds version "
                f"{self.state.version}: it was not brought up to date"
            )
        rng = self.fed.batch_rng(context.round, self.number)
        with self.clock.phase("train"):
            examples = clean(self.fed, self._context, start, self.state.plugins, self.state.root)
        self._count_dropped(examples)
        return ClientTurn(self._context, start, examples, self.state.memory, rng)

    def end_training(self, trained: Trained) -> Trained:
        """Keep what the algorithm keeps of a training; return it."""
        self._memory_before = self.state.memory
        self.state.memory = trained.memory or self.state.memory
        return trained

    def _count_dropped(self, kept: np.ndarray) -> None:
        """Note how many examples were dropped, and of those that an attack planted, how many."""
        held, planted = self.fed.rows(self.number, self.context.round), self.fed.planted
        self.state.dropped = len(held) - len(kept)
        if planted is not None:
            self.state.planted = len(planted.among(held))
            self.state.dropped_planted = self.state.planted - len(planted.among(kept))

    def lend(self) -> LentClient:
        """Return what another process needs to train in the client's place."""
        sent, self._sent = self._sent, None
        return LentClient(sent, self.state.read_by_training())

    def borrow(self, lent: LentClient) -> None:
        """Be what `lend` returned in another process."""
        self._sent, self._states[self.number] = lent.sent, ClientState(**lent.state)

    def give_back(self) -> dict[str, Any]:
        """Return the fields of the state that training may have changed."""
        return self.state.changed_by_training()

    def take_back(self, context: RoundContext, state: dict[str, Any]) -> None:
        """Take in what `give_back` returned in another process after it has trained."""
        self._context = self._own(context)
        self._memory_before = self.state.memory
        vars(self.state).update(state)

    def send(self, trained: Trained) -> list[bytes]:
        """Return the client's messages of this round's first exchange."""
        for after_client in self.fed.hooks.after_client:
            where = Context(self.fed.seed, self.context.round, self.number)
            trained = trained.with_delta(after_client(trained.delta, where))
        trained = protect(self.fed, self.context, trained, self.state.plugins)
        self._uplink = self.fed.uplink.without_memory if trained.bare else self.fed.uplink
        self._session = self.fed.aggregation.client(self)
        frames = self._session.begin(trained)
        self._memory_before = {}  # clients outlive the round
        return frames

    def take_turn(self, context: RoundContext) -> list[bytes]:
        """Train and send: a client's whole part in a round of one exchange."""
        return self.send(self.train(context))

    def answer(self) -> list[bytes]:
        """Return the client's messages of a further exchange, by what it received in it."""
        assert self._session is not None
        return self._session.answer()

    def announcement(self, trained: Trained) -> list[bytes]:
        """Return the message of the number that the client announces, if it does."""
        if trained.announces is None:
            return []
        frame = frame_announcement(trained.announces, self.shared(exact=True))
        self.state.announced = int(trained.announces)
        self._context = self._own(self.context)
        return [frame.pack()]

    def delta(self, delta: Tensor, weight: float = 1.0, codec: Codec | None = None) -> bytes:
        """Return the message of `weight` times a delta, coded by the uplink's codec or another.

        Error feedback and momentum act here, before the uplink's codec; what they keep becomes
        the client's state. It is kept at weight 1, as weights may be others in the next round.
        """
        fed, shared = self.fed, self.shared()
        key = fed.memory_key(shared.layout)
        with self.clock.phase("encode"):
            held = _scaled(self.state.senders.get(key, {}), weight)
            link = self._uplink if codec is None else replace(self._uplink, codec=codec)
            sent = link.encode(delta if weight == 1 else weight * delta, held, shared)
            frame = frame_vector("delta", link.codec, shared, sent.data)
        residual = None if sent.residual is None else sent.residual / weight
        sent = replace(sent, state=_scaled(sent.state, 1 / weight), residual=residual)
        check_residual(self.state.guards, key, delta, sent)
        self.state.senders[key] = sent.state
        return frame.pack()

    @property
    def sums(self) -> IntegerSums:
        """How the round's deltas become integers that add."""
        return self.fed.integer_sums(self.context)

    def integers(
        self, delta: Tensor, weight: float = 1.0, sums: IntegerSums | None = None
    ) -> Integers:
        """Return the integers of `weight` times a delta, through the uplink and its memory.

        Where a privacy mechanism adds noise to the sum it makes them, in the uplink's place.

        Args:
            delta: `[up.numel]`.
            weight: of the client.
            sums: how they are made, where the round has agreed on another range.
        """
        sums = sums or self.sums
        if sums.noisy is not None:
            x = delta.numpy() if weight == 1 else (weight * delta).numpy()
            with self.clock.phase("encode"):
                return sums.with_noise(x, self.shared(), self.private_rng("noise of the sum"))
        frame = Frame.unpack(self.delta(delta, weight, sums.codec))
        return sums.open_message(frame.payload, self.shared())

    @property
    def held(self) -> Tensor:
        """What the client holds in step with the others `[synced_layout.numel]`."""
        assert self.replica.vector is not None
        return self.replica.vector

    def move_by(self, update: Tensor) -> None:
        """Move what the client holds by the update that the round ends with.

        It takes in what it would have been sent: the update in the downlink's codec.
        """
        fed, codec = self.fed, self.fed.downlink.codec
        shared = fed.shared_down(fed.context(self.context.round), self.replica.reference)
        self._take("update", frame_vector("update", codec, shared, codec.encode(update, shared)))

    def rest(self, round_: int) -> None:
        """Let go of what it kept for the exchanges of a round, if that was before `round_`."""
        if self._context is not None and self._context.round < round_:
            self._session = None

    @property
    def opened(self) -> tuple[list[Upload], float | None] | None:
        """The round's uploads and mean loss, where the client has opened them."""
        session = self._session
        if session is None or session.opened is None:
            return None
        return session.opened, session.mean_loss

    def outgoing(self, delta: Tensor) -> Tensor:
        """Return what the uplink's memory makes of a delta, which is what is encoded of it."""
        return self._uplink.memory.target(delta, self.kept().sender)

    def kept(self) -> Kept:
        """Return what the client keeps of this round and of those before."""
        key = self.fed.memory_key(self.shared().layout)
        return Kept(self.state.senders.get(key, {}), self.state.memory)

    def keep(self, kept: Kept) -> None:
        """Have the client keep what `kept` returned."""
        self.state.senders[self.fed.memory_key(self.shared().layout)] = kept.sender
        self.state.memory = kept.memory

    def keep_back(self, delta: Tensor) -> None:
        """Have the client keep what it does if nothing of its round ever arrives.

        Error feedback holds the delta in the residual. Without it the delta is lost, and so the
        algorithm's memory is as it was before the round.
        """
        memory, now = self._uplink.memory, self.kept()
        arrives = memory.feedback == "ef14"
        own = now.memory if arrives else self._memory_before
        self.keep(Kept(memory.keep_back(delta, now.sender), own))

    def private_rng(self, purpose: str) -> np.random.Generator:
        """Return randomness of the client alone in this round, which no message tells of.

        It follows from the seed, so that a run can be repeated, and from no name that `Shared`
        opens.
        """
        return stream(self.fed.seed, f"private {purpose}", self.context.round, self.number)

    def metrics(self, loss: float) -> bytes:
        """Return the message of the client's number of examples and its training loss."""
        return frame_metrics(self.examples, loss, self.shared()).pack()

    def report(self, loss: float) -> list[bytes]:
        """Return the message of the client's metrics, none where they are private."""
        return [] if self.fed.plugins.hides_examples else [self.metrics(loss)]

    @property
    def context(self) -> RoundContext:
        """The round as the client knows it."""
        assert self._context is not None
        return self._context

    @property
    def examples(self) -> int:
        """How many training examples the client has, less those that it dropped."""
        held = self.fed.rows(self.number, self.context.round)
        return len(held) - self.state.dropped

    def shared(self, exact: bool = False) -> Shared:
        """Return what both ends know of the client's message; without a reference if `exact`."""
        reference = None if exact else self.replica.reference
        return self.fed.shared_up(self.context, reference)

    def _own(self, context: RoundContext) -> RoundContext:
        own = context.for_client(self.number)
        if self.state.announced is None:
            return own
        return own.with_announcement(self.number, self.state.announced)


def _scaled(kept: SenderState, factor: float) -> SenderState:
    return kept if factor == 1 else {name: factor * tensor for name, tensor in kept.items()}
