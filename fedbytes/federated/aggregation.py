"""How a server gets from what clients send to what its algorithm combines."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
from torch import Tensor

from fedbytes.compression.error_feedback import SenderState
from fedbytes.compression.frame import Frame
from fedbytes.compression.layout import Shared
from fedbytes.compression.summable import Integers, why_not_summable
from fedbytes.federated.algorithm import ClientMemory, Trained
from fedbytes.federated.context import RoundContext
from fedbytes.federated.hooks import Upload
from fedbytes.federated.protocol.integer_sums import IntegerSums
from fedbytes.federated.protocol.link import Link
from fedbytes.plugin_fields import Plugin
from fedbytes.registry import Registry


class Kept(NamedTuple):
    """What a client keeps from round to round, by which it knows what has arrived of it."""

    sender: SenderState
    memory: ClientMemory


class Sender(Protocol):
    """A client as its aggregation sees it (`fedbytes.federated.Client`)."""

    number: int

    @property
    def context(self) -> RoundContext:
        """The round as the client knows it."""

    @property
    def examples(self) -> int:
        """How many training examples the client has."""

    def shared(self, exact: bool = False) -> Shared:
        """Return what both ends know of the client's message; without a reference if `exact`."""

    def announcement(self, trained: Trained) -> list[bytes]:
        """Return the message of the number that the client announces, if it does."""

    def delta(self, delta: Tensor, weight: float = 1.0) -> bytes:
        """Return the message of `weight` times a delta, through the uplink and its memory."""

    def metrics(self, loss: float) -> bytes:
        """Return the message of the client's number of examples and its training loss."""

    def report(self, loss: float) -> list[bytes]:
        """Return the message of the client's metrics, none where they are private."""

    @property
    def sums(self) -> IntegerSums:
        """How the round's deltas become integers that add."""

    @property
    def held(self) -> Tensor:
        """What the client holds in step with the others `[synced_layout.numel]`."""

    def move_by(self, update: Tensor) -> None:
        """Move what the client holds by the update that the round ends with."""

    def integers(
        self, delta: Tensor, weight: float = 1.0, sums: IntegerSums | None = None
    ) -> Integers:
        """Return the integers of `weight` times a delta, through the uplink and its memory.

        Args:
            delta: `[up.numel]`.
            weight: of the client.
            sums: how they are made, where the round has agreed on another range.
        """

    def outgoing(self, delta: Tensor) -> Tensor:
        """Return what the uplink's memory makes of a delta, which is what is encoded of it."""

    def kept(self) -> "Kept":
        """Return what the client keeps of this round and of those before."""

    def keep(self, kept: "Kept") -> None:
        """Have the client keep what `kept` returned."""

    def keep_back(self, delta: Tensor) -> None:
        """Have the client keep what it does if nothing of its round ever arrives.

        Error feedback holds the delta in the residual. Without it the delta is lost, and so the
        algorithm's memory is as it was before the round.
        """

    def private_rng(self, purpose: str) -> np.random.Generator:
        """Return randomness of the client alone in this round, which no message tells of."""


class Receiver(Protocol):
    """A server as its aggregation sees it (`fedbytes.federated.server.server.Server`)."""

    @property
    def context(self) -> RoundContext:
        """The round, with what clients have announced so far."""

    @property
    def takes_image(self) -> bool:
        """Whether the algorithm wants the mean as the uplink maps it (`Algorithm.takes_image`)."""

    @property
    def uplink(self) -> Link:
        """The link of clients' deltas."""

    @property
    def shared(self) -> Shared:
        """What both ends know of a message that the server sends in an exchange."""

    @property
    def examples(self) -> dict[int, int]:
        """The number of examples that each client has said it has, of those who have."""

    @property
    def sums(self) -> IntegerSums:
        """How the round's deltas become integers that add."""

    def shared_up(self, client: int) -> Shared:
        """Return what both ends know of a client's message."""

    def open(self, client: int, frame: Frame) -> Tensor:
        """Return the delta that a client's message stands for."""

    def open_integers(self, client: int, frame: Frame) -> Integers:
        """Return the integers in a client's message, whose codec adds; nothing is decoded."""


class ClientSession(ABC):
    """A client's part in one round of an aggregation.

    Attributes:
        opened: what the round's uploads are, where clients open them (`Aggregation.clients_open`).
        mean_loss: the mean training loss that it found with them.
    """

    opened: list[Upload] | None = None
    mean_loss: float | None = None

    @abstractmethod
    def begin(self, trained: Trained) -> list[bytes]:
        """Return the client's messages of the first exchange; none if it drops out."""

    def receive(self, frame: Frame) -> None:
        """Take a message of a further exchange in."""
        raise ValueError(f"round {frame.round}: this aggregation has one exchange alone")

    def answer(self) -> list[bytes]:
        """Return the client's messages of a further exchange; none if it drops out."""
        return []


class ServerSession(ABC):
    """The server's part in one round of an aggregation."""

    @property
    def train_loss(self) -> float | None:
        """The mean training loss, where clients' own are not sent; None if it is not known."""
        return None

    counted: float | None = None
    """What the sum says beside the vector, where its noise has a number for that."""

    @property
    def outcome(self) -> dict[str, int]:
        """Numbers of how the round went, which are stored with it."""
        return {}

    @abstractmethod
    def receive(self, client: int, frame: Frame) -> None:
        """Take a client's message in."""

    def next_exchange(self) -> Sequence[int]:
        """Begin a further exchange: whoever will ever answer the last one has done so.

        Returns:
            The clients that take part in it, in ascending order: those who have dropped out, or
            whose part has ended, are not among them.
        """
        raise NotImplementedError(f"{type(self).__name__} has one exchange alone")

    def forget(self, client: int) -> None:
        """Drop what a client sent: a message of it was not what it should be."""
        raise ValueError(f"{type(self).__name__} cannot continue without what client {client} sent")

    def messages(self, client: int) -> list[bytes]:
        """Return what a client is sent at the start of a further exchange."""
        return []

    @abstractmethod
    def uploads(self) -> list[Upload]:
        """Return what the algorithm combines, when all exchanges have ended.

        Nothing for a round that was given up: the model then stays as it is.

        Raises:
            ValueError: if too few clients are left.
        """


class Aggregation(Plugin, ABC):
    """How deltas are protected, sent and opened; a frozen dataclass.

    A round has one or more exchanges. In the first each client sends when it has trained. In each
    further one the server sends to those whom it awaits, and then they answer.

    Attributes:
        opens_each: whether the server sees each client's delta.
        examples: fields that the contract is checked with, a set for each way of working.
        example_uplink: the uplink of that check.
    """

    name: ClassVar[str]
    opens_each: ClassVar[bool] = True
    to_open_each: ClassVar[str] = "set aggregation.name=decode_each"
    """What a run does for a server that sees each delta, where this one does not."""
    clients_open: ClassVar[bool] = False
    """Whether clients alone can open the sum: they move their models by it, and are sent no update.
    Then the update must be the mean, all clients take part, and the downlink is fp32."""
    sums_examples: ClassVar[bool] = False
    """Whether examples and losses are in its sum, and opened with it, where the sum has no noise of
    its own. Noise that each client adds to its own message does not cover them."""
    examples: ClassVar[tuple[dict[str, Any], ...]] = ({},)
    example_uplink: ClassVar[str | Mapping[str, Any]] = "fp32"

    @property
    def exchanges(self) -> int:
        """How many exchanges a round has."""
        return 1

    @property
    def extra_bytes(self) -> tuple[int, int]:
        """Message bytes up and down, per client and round, in addition to its delta and metrics.

        A forecast takes what goes down to be the same for all clients: a multicast has it once.
        """
        return 0, 0

    def own_bytes(self, sums: IntegerSums, shared: Shared) -> tuple[int, int] | None:
        """Return all message bytes up and down, per client and round, beside the broadcast.

        None, the default, where a delta and metrics travel, and `extra_bytes` says what else.
        Exact, or to 1 % where clients open the sum, as ciphertexts are compressed.

        Args:
            sums: of a round in which nobody drops out.
            shared: what both ends know of a client's message.
        """
        return None

    def refuses(self, uplink: Link) -> str | None:
        """Return in one line why it cannot work with an uplink, with the remedy, or None."""
        return None

    def refuses_sums(self, sums: IntegerSums) -> str | None:
        """Return in one line why it cannot work with the sums of a round, or None.

        Asked after `refuses`, and in its place where noise takes the place of the uplink.
        """
        return None

    def refuses_noise(self) -> str | None:
        """Return in one line why its sums cannot carry noise of all clients together, or None."""
        return (
            "puts into each message a part of the noise that the sum needs, so that nobody may see "
            "one: add secagg to privacy"
        )

    @abstractmethod
    def client(self, sender: Sender) -> ClientSession:
        """Return a client's part in a new round."""

    @abstractmethod
    def server(self, receiver: Receiver) -> ServerSession:
        """Return the server's part in a new round."""


AGGREGATIONS: Registry[Aggregation] = Registry(
    "aggregation",
    Aggregation,  # type: ignore[type-abstract]
    "fedbytes.federated.aggregations",
    "fedbytes.federated.testing.aggregation_contract:check_aggregation",
)


def refuse_unsummable(what: str, uplink: Link) -> str | None:
    """Return why an uplink's messages cannot be added by what shows no single one, or None."""
    if uplink.estimates:
        return (
            f"{what} shows no single upload, and error feedback 'ef21' has the server follow each "
            "client: set uplink.error_feedback=ef14 or false"
        )
    reason = why_not_summable(uplink.codec)
    return None if reason is None else f"{what} adds messages: {reason}"


def make_aggregation(spec: str | Mapping[str, Any] | Aggregation, **fields: Any) -> Aggregation:
    """Build an aggregation from its name and fields.

    Raises:
        ValueError: for an unknown name or field, or a value out of range.
    """
    return AGGREGATIONS.make(spec, **fields)


@AGGREGATIONS.register("decode_each")
@dataclass(frozen=True)
class DecodeEach(Aggregation):
    """Each delta travels through the uplink by itself, and the server decodes each."""

    def client(self, sender: Sender) -> ClientSession:
        """Return a part that sends the delta in the first exchange."""
        return _SendsDelta(sender)

    def server(self, receiver: Receiver) -> ServerSession:
        """Return a part that decodes what arrives, when it arrives."""
        return _DecodesEach(receiver)


DECODE_EACH = DecodeEach()


class _SendsDelta(ClientSession):
    def __init__(self, sender: Sender) -> None:
        self.sender = sender

    def begin(self, trained: Trained) -> list[bytes]:
        sender = self.sender
        frames = sender.announcement(trained)
        return [*frames, sender.delta(trained.delta), *sender.report(trained.loss)]


class _DecodesEach(ServerSession):
    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self.decoded: dict[int, Tensor] = {}

    def receive(self, client: int, frame: Frame) -> None:
        if client in self.decoded:
            raise ValueError(f"round {frame.round}: client {client} sent a second delta")
        self.decoded[client] = self.receiver.open(client, frame)

    def forget(self, client: int) -> None:
        self.decoded.pop(client, None)

    def uploads(self) -> list[Upload]:
        counts = reported_examples(self.receiver, list(self.decoded))
        decoded = zip(self.decoded.items(), counts, strict=True)
        return [Upload(client, delta, count) for (client, delta), count in decoded]


def reported_examples(receiver: Receiver, clients: Sequence[int]) -> list[int]:
    """Return the number of examples that each client reported in its metrics.

    Raises:
        ValueError: for a client that sent a delta and no metrics.
    """
    silent = [client for client in clients if client not in receiver.examples]
    if silent:
        raise ValueError(
            f"round {receiver.context.round}: client {silent[0]} sent a delta and no metrics; "
            "each client has to report its number of examples"
        )
    return [receiver.examples[client] for client in clients]
