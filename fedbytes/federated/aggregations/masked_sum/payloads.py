"""What the messages of a masked sum hold, little-endian: rows of one length, most of them."""

import struct
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from fedbytes.compression.coding.bit_packing import pack_bits, packed_bytes, unpack_bits
from fedbytes.compression.frame import Frame
from fedbytes.compression.layout import Shared
from fedbytes.federated.protocol.integer_sums import IntegerSums
from fedbytes.privacy.secure_sum.keys import Occasion
from fedbytes.privacy.secure_sum.masks import ModularVector

KEY, SEALED, SHARE = 32, 82, 33
"""Bytes of a key, of an envelope with two shares, and of a share."""
PUBLIC_KEYS = struct.Struct(f"<{KEY}s{KEY}sBb")
"""For envelopes, for masks; the exponents of the powers of two above the number of examples, and
above the numbers of the vector: 0 where none is agreed on."""
EXPONENT = struct.Struct("<Bb")
"""The largest of those two."""
KEYS = struct.Struct(f"<I{KEY}s{KEY}s")
CLIP = struct.Struct("<f")
"""The clip of the round, behind the exponents where the server tells one."""
ENVELOPES = struct.Struct(f"<I{SEALED}s")
SURVIVORS = struct.Struct("<I")
SHARES = struct.Struct(f"<I{SHARE}s")

PUBLIC_BYTES, KEYS_HEAD, KEYS_ROW = PUBLIC_KEYS.size, EXPONENT.size, KEYS.size
ENVELOPE_ROW, SHARE_ROW, SURVIVOR_ROW = ENVELOPES.size, SHARES.size, SURVIVORS.size
TAIL = 2
"""Numbers of 64 bits behind the coordinates: examples, and loss times examples."""


def pack_rows(row: struct.Struct, values: Iterable[tuple[Any, ...]]) -> bytes:
    """Return rows one behind the other."""
    return b"".join(row.pack(*one) for one in values)


def open_rows(row: struct.Struct, frame: Frame, start: int = 0) -> Iterator[tuple[Any, ...]]:
    """Return the rows of a payload from `start` on.

    Raises:
        ValueError: if it does not hold whole rows.
    """
    if (len(frame.payload) - start) % row.size or len(frame.payload) < start:
        raise cut_payload(frame)
    return row.iter_unpack(memoryview(frame.payload)[start:])


def cut_payload(frame: Frame) -> ValueError:
    """Return the error of a payload that has another length than it should."""
    return ValueError(
        f"round {frame.round}, sender {frame.sender}: a message of a masked sum with "
        f"{len(frame.payload)} bytes is cut or altered"
    )


def has_tail(sums: IntegerSums) -> bool:
    """Whether examples and loss travel, which noise would not cover."""
    return sums.noisy is None


def keys_head(sums: IntegerSums) -> int:
    """Return how many bytes stand before the neighbours' keys."""
    return KEYS_HEAD + (0 if sums.told_clip is None else CLIP.size)


def masked_bytes(sums: IntegerSums, shared: Shared) -> int:
    """Return the bytes of a masked vector."""
    return packed_bytes(sums.coordinates(shared), sums.bits) + 8 * TAIL * has_tail(sums)


def pack_masked(vector: ModularVector) -> bytes:
    """Return a masked vector's payload: numbers of `bits` bits, then the tail."""
    return pack_bits(vector.numbers, vector.bits) + vector.tail.astype("<u8").tobytes()


def read_masked(frame: Frame, sums: IntegerSums, shared: Shared) -> ModularVector:
    """Return the vector in the message of a masked one.

    Raises:
        ValueError: if it has another length.
    """
    if len(frame.payload) != masked_bytes(sums, shared):
        raise cut_payload(frame)
    count = sums.coordinates(shared)
    border = packed_bytes(count, sums.bits)
    numbers = unpack_bits(frame.payload[:border], count, sums.bits).astype(np.uint64)
    tail = np.frombuffer(frame.payload[border:], "<u8").astype(np.uint64)
    return ModularVector(numbers, tail, sums.bits)


def occasion_of(shared: Shared) -> Occasion:
    """Return what keys of a round are bound to."""
    return Occasion(shared.seed, shared.layout.digest, shared.round)
