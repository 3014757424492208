"""The one place where bytes cross between server and clients."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from fedbytes.compression.frame import HEADER_BYTES, Frame
from fedbytes.federated.clock import Clock
from fedbytes.federated.protocol.ledger import EVERYONE, Direction, Entry, Ledger
from fedbytes.federated.protocol.messages import KIND_NAMES

SERVER = 0xFFFFFFFF
"""The sender of what the server sends; clients count from 0."""


@dataclass(frozen=True, eq=False)
class Message:
    """A frame on its way to a client. `kind` is the ledger's: a catch-up is a way of sending."""

    data: bytes
    kind: str


@dataclass
class Channel:
    """Carries frames across and books each in the ledger.

    `deliver` stands for the medium: in a simulation it returns the bytes it was given; a test or
    a networked run puts its own there. The ledger counts the length of what was handed to it.
    With `multicast` bytes that several clients are sent cross once, and all receive them, also
    where they are a state to one and a catch-up to another; the row is of the first kind.

    A receiver takes frames one by one, so the decoding seconds of each are those that the clock
    counts until it asks for the next.
    """

    ledger: Ledger
    deliver: Callable[[bytes], bytes] = bytes
    clock: Clock = field(default_factory=Clock)
    multicast: bool = False
    _heard: dict[bytes, bytes] = field(default_factory=dict)

    def down(self, round_: int, client: int, messages: Iterable[Message]) -> Iterator[bytes]:
        """Carry the server's messages to a client; yield what arrives, frame by frame."""
        for message in messages:
            if self.multicast and message.data in self._heard:
                yield self._heard[message.data]
                continue
            to = EVERYONE if self.multicast else client
            entry = self._book(message.data, round_, to, "down", message.kind)
            entry.encode_seconds = self.clock.lap("encode")
            received = self.deliver(message.data)
            if self.multicast:
                self._heard[message.data] = received
            yield received
            entry.decode_seconds = self.clock.lap("decode")

    def up(self, round_: int, client: int, frames: Iterable[bytes]) -> Iterator[bytes]:
        """Carry a client's frames to the server; yield what arrives, frame by frame."""
        self._heard.clear()  # the server has sent what this exchange sends
        for data in frames:
            kind, codec = Frame.peek(data)
            entry = self._book(data, round_, client, "up", KIND_NAMES.get(kind, "malformed"))
            if codec:
                entry.encode_seconds = self.clock.lap("encode")
            yield self.deliver(data)
            entry.decode_seconds = self.clock.lap("decode")

    def _book(
        self, data: bytes, round_: int, client: int, direction: Direction, kind: str
    ) -> Entry:
        return self.ledger.add(
            Entry(
                round=round_,
                client=client,
                direction=direction,
                kind=kind,
                payload_bytes=max(0, len(data) - HEADER_BYTES),
                message_bytes=len(data),
                encode_seconds=0.0,
            )
        )
