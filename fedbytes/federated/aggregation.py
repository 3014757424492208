"""How a server gets from what clients send to what its algorithm combines."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from fedbytes.compression.frame import Frame
from fedbytes.compression.layout import Shared
from fedbytes.compression.summable import why_not_summable
from fedbytes.federated.algorithm import Trained
from fedbytes.federated.exchange.parties import Receiver, Sender
from fedbytes.federated.exchange.sessions import ClientSession, ServerSession
from fedbytes.federated.hooks import Upload
from fedbytes.federated.protocol.integer_sums import IntegerSums
from fedbytes.federated.protocol.link import Link
from fedbytes.plugin_fields import Plugin
from fedbytes.registry import Registry


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
