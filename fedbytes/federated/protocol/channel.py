"""The one place where bytes cross between server and client."""

from collections.abc import Callable
from dataclasses import dataclass, field

from fedbytes.compression.frame import Frame
from fedbytes.federated.protocol.ledger import Direction, Entry, Ledger

KIND_IDS = {
    "state": 1,
    "seed": 2,
    "update": 3,
    "delta": 4,
    "metrics": 5,
    "reference": 6,
    "announcement": 7,
}
"""What a frame says of its payload. A catch-up is not a kind of payload but of sending."""

SERVER = 0xFFFFFFFF
"""The sender of what the server sends; clients count from 0."""


def _same(data: bytes) -> bytes:
    return data


@dataclass
class Channel:
    """Frames a message, hands its bytes over, and opens on the other side what arrived.

    `deliver` stands for the medium: in a simulation it returns the bytes it was given. A test or
    a networked run puts its own there. The ledger counts the length of what was handed to it.
    """

    ledger: Ledger
    deliver: Callable[[bytes], bytes] = field(default=_same)

    def send(
        self,
        frame: Frame,
        *,
        round: int,
        client: int,
        direction: Direction,
        kind: str,
        encode_seconds: float = 0.0,
    ) -> tuple[Frame, Entry]:
        """Carry one frame across; return what the receiver unpacked and the ledger's row.

        `round` is the round in which it crosses; a frame that a client missed was made earlier.

        Raises:
            ValueError: if what arrives is not what was sent: another length, digest or header.
        """
        data = frame.pack()
        received = Frame.unpack(
            self.deliver(data),
            kind=frame.kind,
            codec_id=frame.codec_id,
            layout_digest=frame.layout_digest,
            round=frame.round,
            sender=frame.sender,
        )
        entry = Entry(
            round=round,
            client=client,
            direction=direction,
            kind=kind,
            payload_bytes=len(frame.payload),
            message_bytes=len(data),
            encode_seconds=encode_seconds,
        )
        return received, self.ledger.add(entry)
