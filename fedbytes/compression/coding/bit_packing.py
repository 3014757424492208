"""Numbers of a fixed width packed into bytes: least significant bit first, zero padding last."""

from typing import Any

import numpy as np
import numpy.typing as npt

from fedbytes.arrays import UInt8s, UInt32s, UInt64s, Unsigned
from fedbytes.compression.numerics.kernels import kernel

_CHUNK = 1 << 15  # values that the numpy twins spread into single bits at a time; a multiple of 8


def packed_bytes(count: int, width: int) -> int:
    """Return how many bytes `count` numbers of `width` bits take."""
    return (count * width + 7) // 8


def pack_bits(values: npt.NDArray[Any], width: int) -> bytes:
    """Return `values` (1-D, integers in [0, 2^width)) packed, width 0 to 32.

    Value i takes the bits i * width to (i + 1) * width - 1, where bit j is bit j % 8 of byte
    j // 8. Bits of a value beyond `width` are dropped.
    """
    if width == 0:
        return b""
    if width == 1:
        return np.packbits(values.astype(bool, copy=False), bitorder="little").tobytes()
    if width in (8, 16, 32):
        return values.astype(f"<u{width // 8}", copy=False).tobytes()
    packed = np.zeros(packed_bytes(values.size, width), np.uint8)
    if width in (2, 4):
        small = values.astype(np.uint8, copy=False)
        whole = values.size * width // 8
        _pack_in_byte(small, width, packed[:whole])
        rest = small[whole * (8 // width) :].tolist()
        if rest:
            mask = (1 << width) - 1
            packed[-1] = sum((value & mask) << place * width for place, value in enumerate(rest))
    else:
        words = np.zeros(packed.size // 8 + 1, np.uint64)
        _pack(values.astype(np.uint32, copy=False), width, words)
        packed = words.astype("<u8", copy=False).view(np.uint8)[: packed.size]
    return packed.tobytes()


def unpack_bits(data: memoryview | bytes, count: int, width: int) -> Unsigned:
    """Return the `count` numbers of `width` bits in `data`: uint8, uint16 or uint32 by width.

    Raises:
        ValueError: if data has not exactly `packed_bytes(count, width)` bytes, or the padding
            is not zero.
    """
    if len(data) != packed_bytes(count, width):
        raise ValueError(
            f"{count} numbers of {width} bits take {packed_bytes(count, width)} bytes, "
            f"got {len(data)}"
        )
    if width == 0:
        return np.zeros(count, np.uint8)
    if width in (8, 16, 32):
        whole: Unsigned = np.frombuffer(data, f"<u{width // 8}")
        return whole
    pad = len(data) * 8 - count * width
    if pad and data[-1] >> (8 - pad):
        raise ValueError(f"padding of {pad} bits is not zero")
    packed = np.frombuffer(data, np.uint8)
    if width == 1:
        ones: Unsigned = np.unpackbits(packed, count=count, bitorder="little")
        return ones
    if width in (2, 4):
        small = np.empty(packed.size * (8 // width), np.uint8)
        _unpack_in_byte(packed, width, small)
        return small[:count]
    out: Unsigned = np.empty(
        count, np.uint8 if width < 8 else np.uint16 if width < 16 else np.uint32
    )
    _unpack(words_of(data), width, out)
    return out


def words_of(data: memoryview | bytes) -> UInt64s:
    """Return bytes as one string of bits in 64-bit words, and at least one word of zeros behind.

    Bit j is bit j % 64 of word j // 64, so a number of up to 64 bits lies in at most two words.
    """
    words = np.zeros(len(data) // 8 + 2, "<u8")
    words.view(np.uint8)[: len(data)] = np.frombuffer(data, np.uint8)
    return words.astype(np.uint64, copy=False)


def _pack_in_byte_numpy(values: UInt8s, width: int, packed: Unsigned) -> None:
    per, mask = 8 // width, np.uint8((1 << width) - 1)
    packed[:] = 0
    for place in range(per):
        column = values[place : packed.size * per : per] & mask
        packed |= column << np.uint8(place * width)


def _unpack_in_byte_numpy(packed: Unsigned, width: int, out: UInt8s) -> None:
    per, mask = 8 // width, np.uint8((1 << width) - 1)
    for place in range(per):
        out[place::per] = packed >> np.uint8(place * width) & mask


def _pack_numpy(values: UInt32s, width: int, words: Unsigned) -> None:
    small: Unsigned = np.zeros(words.size, "<u8")
    packed = small.view(np.uint8)
    for start in range(0, values.size, _CHUNK):
        chunk = np.ascontiguousarray(values[start : start + _CHUNK], dtype="<u4")
        bits = np.unpackbits(chunk.view(np.uint8).reshape(-1, 4), axis=1, bitorder="little")
        part = np.packbits(bits[:, :width], bitorder="little")
        packed[start * width // 8 :][: part.size] = part
    words[:] = small


def _unpack_numpy(words: UInt64s, width: int, out: Unsigned) -> None:
    packed = words.astype("<u8", copy=False).view(np.uint8)
    for start in range(0, out.size, _CHUNK):
        size = min(_CHUNK, out.size - start)
        piece = packed[start * width // 8 :][: packed_bytes(size, width)]
        bits = np.zeros((size, 32), np.uint8)
        flat = np.unpackbits(piece, count=size * width, bitorder="little")
        bits[:, :width] = flat.reshape(size, width)
        out[start : start + size] = np.packbits(bits, axis=1, bitorder="little").view("<u4")[:, 0]


@kernel(_pack_in_byte_numpy)
def _pack_in_byte(values, width, packed):  # type: ignore[no-untyped-def]
    if width == 4:
        for i in range(packed.size):
            low, high = values[2 * i], values[2 * i + 1]
            packed[i] = np.uint8((low & np.uint8(15)) | np.uint8(high << np.uint8(4)))
    else:
        three = np.uint8(3)
        for i in range(packed.size):
            low = (values[4 * i] & three) | (values[4 * i + 1] & three) << np.uint8(2)
            high = (values[4 * i + 2] & three) | (values[4 * i + 3] & three) << np.uint8(2)
            packed[i] = np.uint8(low | high << np.uint8(4))


@kernel(_unpack_in_byte_numpy)
def _unpack_in_byte(packed, width, out):  # type: ignore[no-untyped-def]
    if width == 4:
        for i in range(packed.size):
            out[2 * i] = packed[i] & np.uint8(15)
            out[2 * i + 1] = packed[i] >> np.uint8(4)
    else:
        for i in range(packed.size):
            byte = packed[i]
            out[4 * i] = byte & np.uint8(3)
            out[4 * i + 1] = byte >> np.uint8(2) & np.uint8(3)
            out[4 * i + 2] = byte >> np.uint8(4) & np.uint8(3)
            out[4 * i + 3] = byte >> np.uint8(6)


@kernel(_pack_numpy)
def _pack(values, width, words):  # type: ignore[no-untyped-def]
    mask, size = np.uint64((1 << width) - 1), np.uint64(width)
    held, filled, at = np.uint64(0), np.uint64(0), 0
    for i in range(values.size):
        value = np.uint64(values[i]) & mask
        held |= value << filled
        filled += size
        if filled >= np.uint64(64):
            words[at] = held
            at += 1
            filled -= np.uint64(64)
            held = value >> (size - filled)
    if filled > np.uint64(0):
        words[at] = held


@kernel(_unpack_numpy)
def _unpack(words, width, out):  # type: ignore[no-untyped-def]
    mask, one = np.uint64((1 << width) - 1), np.uint64(1)
    bit = np.uint64(0)
    for i in range(out.size):
        word, shift = bit >> np.uint64(6), bit & np.uint64(63)
        high = (words[word + one] << one) << (np.uint64(63) - shift)
        out[i] = (words[word] >> shift | high) & mask
        bit += np.uint64(width)
