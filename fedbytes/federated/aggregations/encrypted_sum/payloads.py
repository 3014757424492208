"""What the messages of an encrypted sum hold, little-endian."""

import struct
from collections.abc import Sequence

import numpy as np

from fedbytes.arrays import UInt64s
from fedbytes.compression.coding.bit_packing import pack_bits, packed_bytes, unpack_bits
from fedbytes.compression.frame import Frame

PUBLIC = struct.Struct("<32sB")
"""A key; the exponent of the power of two above the number of examples."""
LEADER = struct.Struct("<BI32s")
"""The largest exponent; the client that draws the secret key, and its public key."""
SEALED = struct.Struct("<I80s")
PUBLIC_ROW = struct.Struct("<I32s")
_COUNT = struct.Struct("<I")


def pack_ciphertexts(ciphertexts: Sequence[bytes]) -> bytes:
    """Return ciphertexts, each behind its length."""
    return b"".join(_COUNT.pack(len(data)) + data for data in ciphertexts)


def read_ciphertexts(frame: Frame) -> list[bytes]:
    """Return the ciphertexts in a message.

    Raises:
        ValueError: if it is cut.
    """
    found, at, data = [], 0, frame.payload
    while at < len(data):
        if at + _COUNT.size > len(data):
            raise cut_ciphertexts(frame)
        (size,) = _COUNT.unpack_from(data, at)
        at += _COUNT.size + size
        if at > len(data):
            raise cut_ciphertexts(frame)
        found.append(data[at - size : at])
    return found


def pack_plain(numbers: UInt64s, bits: int) -> bytes:
    """Return the integers that are not encrypted, behind their number."""
    return _COUNT.pack(numbers.size) + pack_bits(numbers, bits)


def read_plain(frame: Frame, bits: int) -> UInt64s:
    """Return the integers of a plain part.

    Raises:
        ValueError: if it is cut.
    """
    if len(frame.payload) < _COUNT.size:
        raise cut_ciphertexts(frame)
    (count,) = _COUNT.unpack_from(frame.payload)
    if len(frame.payload) != _COUNT.size + packed_bytes(count, bits):
        raise cut_ciphertexts(frame)
    return unpack_bits(frame.payload[_COUNT.size :], count, bits).astype(np.uint64)


def cut_ciphertexts(frame: Frame) -> ValueError:
    """Return the error of a payload that has another length than it says."""
    return ValueError(
        f"round {frame.round}, sender {frame.sender}: a message of an encrypted sum with "
        f"{len(frame.payload)} bytes is cut or altered"
    )
