"""The messages of a round: what is put into a frame, and what the receiver makes of it."""

import math
import struct

from torch import Tensor

from fedbytes.compression.codec import Codec, codec_id
from fedbytes.compression.frame import Frame
from fedbytes.compression.layout import Shared
from fedbytes.federated.protocol.channel import KIND_IDS, Channel

_METRICS = struct.Struct("<Qf")  # examples, mean training loss
_SEED = struct.Struct("<Q")
_ANNOUNCEMENT = struct.Struct("<Q")
METRICS_BYTES, SEED_BYTES = _METRICS.size, _SEED.size
_NO_CODEC = 0


def frame_vector(kind: str, codec: Codec, shared: Shared, payload: bytes) -> Frame:
    """Return the frame around a vector that `codec` encoded under `shared`."""
    return _frame(kind, codec_id(codec), shared, payload)


def open_vector(frame: Frame, codec: Codec, shared: Shared) -> Tensor:
    """Return the vector `[numel]` in a received frame.

    Raises:
        ValueError: if the frame was made by another codec, or its payload does not decode.
    """
    if frame.codec_id != codec_id(codec):
        raise ValueError(
            f"a message made by codec {frame.codec_id:#010x} reached a receiver that decodes "
            f"{codec.name!r} ({codec_id(codec):#010x}); both ends need the same configuration"
        )
    return codec.decode(frame.payload, shared)


def frame_seed(seed: int, shared: Shared) -> Frame:
    """Return the frame that tells a client the seed of the initial state."""
    return _frame("seed", _NO_CODEC, shared, _SEED.pack(seed))


def open_seed(frame: Frame) -> int:
    """Return the seed in a received frame."""
    return int(_SEED.unpack(frame.payload)[0])


def frame_announcement(number: int, shared: Shared) -> Frame:
    """Return the frame in which a client announces a number, before its delta."""
    return _frame("announcement", _NO_CODEC, shared, _ANNOUNCEMENT.pack(number))


def send_announcement(channel: Channel, shared: Shared, number: int) -> int:
    """Send a number that a client announces up; return what the server read."""
    frame = frame_announcement(number, shared)
    received, _ = channel.send(
        frame, round=shared.round, client=shared.sender, direction="up", kind="announcement"
    )
    return int(_ANNOUNCEMENT.unpack(received.payload)[0])


def send_metrics(channel: Channel, shared: Shared, examples: int, loss: float) -> tuple[int, float]:
    """Send a client's number of examples and training loss up; return what the server read.

    Raises:
        ValueError: if what the server read cannot be: no examples, or a loss that is not finite.
    """
    frame = _frame("metrics", _NO_CODEC, shared, _METRICS.pack(examples, loss))
    client = shared.sender
    received, _ = channel.send(
        frame, round=shared.round, client=client, direction="up", kind="metrics"
    )
    examples, loss = _METRICS.unpack(received.payload)
    if examples < 1 or not math.isfinite(loss):
        raise ValueError(
            f"round {shared.round}, client {shared.sender}: training loss {loss} on {examples} "
            "examples; lower the learning rate or set max_grad_norm"
        )
    return examples, loss


def _frame(kind: str, codec: int, shared: Shared, payload: bytes) -> Frame:
    return Frame(
        kind=KIND_IDS[kind],
        codec_id=codec,
        layout_digest=shared.layout.digest,
        round=shared.round,
        sender=shared.sender,
        payload=payload,
    )
