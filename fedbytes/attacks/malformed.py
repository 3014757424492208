"""Malformed: attackers send bytes that are no message."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from fedbytes.compression import Frame, codec_id, seal
from fedbytes.federated import ATTACKS, KIND_NAMES, Attack, StageContext
from fedbytes.registry import bounded

Fault = Literal["nan", "cut", "noise", "empty"]


@ATTACKS.register("malformed")
@dataclass(frozen=True, kw_only=True)
class Malformed(Attack):
    """Attackers spoil their message; the server drops from the round who sent what does not decode.

    `nan` fills the payload with ones, which in fp32 is not a number and in other codecs garbage,
    under a digest that is right; `cut` leaves its last bytes out; `noise` sends random bytes of
    the message's length; `empty` sends no byte. A message of 1,000 bytes at `cut` and
    `bytes_lost: 3` has 997. The bytes are in the ledger, and `dropped_messages` of `deltas.jsonl`
    counts the clients.

    Attributes:
        fault: what is wrong with it.
        bytes_lost: how many bytes `cut` leaves out.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {},
        {"fault": "cut"},
        {"fault": "noise"},
        {"fault": "empty"},
    )

    fault: Fault = "nan"
    bytes_lost: int = bounded(3, least=1)

    def tamper(self, client: int, frames: list[bytes], context: StageContext) -> list[bytes]:
        """Spoil the delta; the client's other messages stay."""
        return [
            self._spoilt(client, data, context)
            if KIND_NAMES.get(Frame.peek(data)[0]) == "delta"
            else data
            for data in frames
        ]

    def _spoilt(self, client: int, data: bytes, context: StageContext) -> bytes:
        if self.fault == "cut":
            return data[: -self.bytes_lost]
        if self.fault == "noise":
            return context.rng().bytes(len(data))
        if self.fault == "empty":
            return b""
        frame = Frame.unpack(data)
        ones = b"\xff" * max(0, len(frame.payload) - _DIGEST)
        if context.wire is None or context.uplink is None:
            return replace(frame, payload=ones).pack()
        sealed = seal(context.uplink, ones, context.wire.shared(client))
        return replace(frame, payload=sealed, codec_id=codec_id(context.uplink)).pack()


_DIGEST = 4  # bytes of a payload's digest, at its end
