"""The messages of a round: what is put into a frame, and what the receiver reads from it."""

import math
import struct
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from fedbytes.compression.codec import Codec, codec_id
from fedbytes.compression.frame import Frame
from fedbytes.compression.layout import Shared
from fedbytes.compression.summable import Integers, Summable

KIND_IDS = {
    "state": 1,
    "seed": 2,
    "update": 3,
    "delta": 4,
    "metrics": 5,
    "reference": 6,
    "announcement": 7,
    "exchange": 8,
    "texts": 9,
    "evaluation": 10,
    "root": 11,
    "public-key": 12,
    "keys": 13,
    "shares": 14,
    "masked": 15,
    "survivors": 16,
    "unmask": 17,
    "key": 18,
    "ciphertext": 19,
    "ciphertext-sum": 20,
    "plain-part": 21,
}
"""Kind of a frame's payload. `exchange` is for an aggregation's messages that have none of their
own; those from 12 to 17 are of masked sums, from 18 to 21 of encrypted ones."""
KIND_NAMES = {number: kind for kind, number in KIND_IDS.items()}

_METRICS = struct.Struct("<Qf")  # examples, mean training loss
_SEED = struct.Struct("<Q")
_ANNOUNCEMENT = struct.Struct("<Q")
_TEXTS, _LENGTH, _EXAMPLES = struct.Struct("<QB"), struct.Struct("<I"), struct.Struct("<Q")
METRICS_BYTES, SEED_BYTES = _METRICS.size, _SEED.size
_NO_CODEC = 0


def frame_vector(kind: str, codec: Codec, shared: Shared, payload: bytes) -> Frame:
    """Return the frame around a vector that `codec` encoded under `shared`."""
    return _frame(kind, codec_id(codec), shared, payload)


def check_frame_kind(frame: Frame, kind: str) -> None:
    """Check that a frame is of the kind that its receiver opens it as.

    Raises:
        ValueError: if it is not.
    """
    if frame.kind != KIND_IDS[kind]:
        found = KIND_NAMES.get(frame.kind, frame.kind)
        raise ValueError(
            f"round {frame.round}, sender {frame.sender}: a message of kind {found!r}, expected "
            f"{kind!r}"
        )


def open_vector(frame: Frame, codec: Codec, shared: Shared) -> Tensor:
    """Return the vector `[numel]` in a received frame.

    Raises:
        ValueError: if the frame was made by another codec or for another layout, or its payload
            does not decode.
    """
    check_frame_codec(frame, codec)
    check_layout(frame, shared)
    return codec.decode(frame.payload, shared)


def open_integers(frame: Frame, codec: Summable, shared: Shared) -> Integers:
    """Return the integers in a received frame, whose codec adds.

    Raises:
        ValueError: as `open_vector`.
    """
    check_frame_codec(frame, codec)
    check_layout(frame, shared)
    return codec.open_integers(frame.payload, shared)


def check_frame_codec(frame: Frame, codec: Codec) -> None:
    """Check that a frame was made by the codec that its receiver expects.

    Raises:
        ValueError: if it was not.
    """
    if frame.codec_id != codec_id(codec):
        raise ValueError(
            f"a message made by codec {frame.codec_id:#010x} reached a receiver that decodes "
            f"{codec.name!r} ({codec_id(codec):#010x}); both ends need the same configuration"
        )


def check_layout(frame: Frame, shared: Shared) -> None:
    """Check that a frame was made for the layout that its receiver expects.

    Raises:
        ValueError: if it was not.
    """
    if frame.layout_digest != shared.layout.digest:
        raise ValueError(
            f"frame layout digest is {frame.layout_digest}, expected {shared.layout.digest}: "
            "both ends need the same model and adapter"
        )


def frame_seed(seed: int, shared: Shared) -> Frame:
    """Return the frame that tells a client the seed of the initial state."""
    return _frame("seed", _NO_CODEC, shared, _SEED.pack(seed))


def open_seed(frame: Frame) -> int:
    """Return the seed in a received frame."""
    return int(_unpack(_SEED, frame)[0])


def frame_announcement(number: int, shared: Shared) -> Frame:
    """Return the frame in which a client announces a number, before its delta."""
    return _frame("announcement", _NO_CODEC, shared, _ANNOUNCEMENT.pack(number))


def open_announcement(frame: Frame) -> int:
    """Return the number in a received announcement."""
    return int(_unpack(_ANNOUNCEMENT, frame)[0])


def frame_metrics(examples: int, loss: float, shared: Shared) -> Frame:
    """Return the frame of a client's number of examples and training loss."""
    return _frame("metrics", _NO_CODEC, shared, _METRICS.pack(examples, loss))


def open_metrics(frame: Frame) -> tuple[int, float]:
    """Return the number of examples and the training loss in a received frame.

    Raises:
        ValueError: if they cannot be: no examples, or a loss that is not finite.
    """
    examples, loss = _unpack(_METRICS, frame)
    if examples < 1 or not math.isfinite(loss):
        raise ValueError(
            f"round {frame.round}, client {frame.sender}: training loss {loss} on {examples} "
            "examples; lower the learning rate or set max_grad_norm"
        )
    return examples, loss


def claim_examples(data: bytes, examples: int) -> bytes:
    """Return a client's message with another number of examples; one that says none as it is."""
    try:
        frame = Frame.unpack(data)
        check_frame_kind(frame, "metrics")
        loss = open_metrics(frame)[1]
    except ValueError:  # of another kind, or what another attack made of it
        return data
    return replace(frame, payload=_METRICS.pack(examples, loss)).pack()


def frame_evaluation(examples: int, metrics: Sequence[float], shared: Shared) -> Frame:
    """Return the frame in which a client says what it measured on its own tests.

    The number of examples (uint64), and each metric as float32.
    """
    values = struct.pack(f"<{len(metrics)}f", *metrics)
    return _frame("evaluation", _NO_CODEC, shared, _EXAMPLES.pack(examples) + values)


def open_evaluation(frame: Frame) -> tuple[int, list[float]]:
    """Return the number of examples and the metrics in a received frame.

    Raises:
        ValueError: if its payload is cut.
    """
    check_frame_kind(frame, "evaluation")
    count, rest = divmod(len(frame.payload) - _EXAMPLES.size, 4)
    if count < 0 or rest:
        raise ValueError(
            f"round {frame.round}, client {frame.sender}: an evaluation of "
            f"{len(frame.payload)} bytes"
        )
    examples, *metrics = struct.unpack(f"<Q{count}f", frame.payload)
    return int(examples), list(metrics)


def frame_texts(examples: Sequence[tuple[str, ...]], shared: Shared) -> Frame:
    """Return the frame of a client's examples: text, and label where there is one.

    Each string is its length in bytes (uint32) and its UTF-8; the number of examples (uint64) and
    of strings in each (uint8) come first.
    """
    width = len(examples[0]) if examples else 0
    parts = [_TEXTS.pack(len(examples), width)]
    for example in examples:
        for text in example:
            raw = text.encode("utf-8", "surrogatepass")
            parts += [_LENGTH.pack(len(raw)), raw]
    return _frame("texts", _NO_CODEC, shared, b"".join(parts))


def open_texts(frame: Frame) -> list[tuple[str, ...]]:
    """Return the examples in a received frame.

    Raises:
        ValueError: if its payload is cut or has bytes left over.
    """
    check_frame_kind(frame, "texts")
    data, where = frame.payload, f"round {frame.round}, client {frame.sender}"
    try:
        count, width = _TEXTS.unpack_from(data)
        at, found = _TEXTS.size, []
        for _ in range(count):
            example = []
            for _ in range(width):
                (length,) = _LENGTH.unpack_from(data, at)
                at += _LENGTH.size + length
                if at > len(data):
                    raise ValueError
                example.append(data[at - length : at].decode("utf-8", "surrogatepass"))
            found.append(tuple(example))
        if at != len(data):
            raise ValueError
    except (struct.error, ValueError):
        raise ValueError(f"{where}: a message of kind 'texts' that is cut or altered") from None
    return found


def frame_exchange(payload: bytes, shared: Shared, kind: str = "exchange") -> Frame:
    """Return the frame of what an aggregation sends in an exchange of its own."""
    return _frame(kind, _NO_CODEC, shared, payload)


def frame_root(payload: bytes, shared: Shared) -> Frame:
    """Return the frame of the examples that the server trusts (see `RootExamples`)."""
    return _frame("root", _NO_CODEC, shared, payload)


def _unpack(values: struct.Struct, frame: Frame) -> tuple[Any, ...]:
    """Return the numbers of a payload.

    Raises:
        ValueError: if it has another length than they take.
    """
    if len(frame.payload) != values.size:
        raise ValueError(
            f"round {frame.round}, sender {frame.sender}: a message of kind "
            f"{KIND_NAMES.get(frame.kind)} has {len(frame.payload)} bytes, expected {values.size}"
        )
    return values.unpack(frame.payload)


def _frame(kind: str, codec: int, shared: Shared, payload: bytes) -> Frame:
    return Frame(
        kind=KIND_IDS[kind],
        codec_id=codec,
        layout_digest=shared.layout.digest,
        round=shared.round,
        sender=shared.sender,
        payload=payload,
    )
