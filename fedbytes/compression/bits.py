"""Numbers of a fixed width packed into bytes: least significant bit first, zero padding last."""

from typing import Any

import numpy as np
import numpy.typing as npt

from .kernels import kernel

Uints = npt.NDArray[np.unsignedinteger[Any]]
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
        _pack(values.astype(np.uint32, copy=False), width, packed)
    return packed.tobytes()


def unpack_bits(data: memoryview | bytes, count: int, width: int) -> Uints:
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
        whole: Uints = np.frombuffer(data, f"<u{width // 8}")
        return whole
    pad = len(data) * 8 - count * width
    if pad and data[-1] >> (8 - pad):
        raise ValueError(f"padding of {pad} bits is not zero")
    packed = np.frombuffer(data, np.uint8)
    if width == 1:
        ones: Uints = np.unpackbits(packed, count=count, bitorder="little")
        return ones
    if width in (2, 4):
        small = np.empty(packed.size * (8 // width), np.uint8)
        _unpack_in_byte(packed, width, small)
        return small[:count]
    out: Uints = np.empty(count, np.uint8 if width < 8 else np.uint16 if width < 16 else np.uint32)
    _unpack(packed, width, out)
    return out


def _pack_in_byte_numpy(values: npt.NDArray[np.uint8], width: int, packed: Uints) -> None:
    per, mask = 8 // width, np.uint8((1 << width) - 1)
    packed[:] = 0
    for place in range(per):
        column = values[place : packed.size * per : per] & mask
        packed |= column << np.uint8(place * width)


def _unpack_in_byte_numpy(packed: Uints, width: int, out: npt.NDArray[np.uint8]) -> None:
    per, mask = 8 // width, np.uint8((1 << width) - 1)
    for place in range(per):
        out[place::per] = packed >> np.uint8(place * width) & mask


def _pack_numpy(values: npt.NDArray[np.uint32], width: int, packed: Uints) -> None:
    for start in range(0, values.size, _CHUNK):
        chunk = np.ascontiguousarray(values[start : start + _CHUNK], dtype="<u4")
        bits = np.unpackbits(chunk.view(np.uint8).reshape(-1, 4), axis=1, bitorder="little")
        part = np.packbits(bits[:, :width], bitorder="little")
        packed[start * width // 8 :][: part.size] = part


def _unpack_numpy(packed: npt.NDArray[np.uint8], width: int, out: Uints) -> None:
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
def _pack(values, width, packed):  # type: ignore[no-untyped-def]
    mask = np.uint64((1 << width) - 1)
    held, filled, at = np.uint64(0), 0, 0
    for i in range(values.size):
        held |= (np.uint64(values[i]) & mask) << np.uint64(filled)
        filled += width
        while filled >= 8:
            packed[at] = np.uint8(held & np.uint64(255))
            held >>= np.uint64(8)
            filled -= 8
            at += 1
    if filled > 0:
        packed[at] = np.uint8(held & np.uint64(255))


@kernel(_unpack_numpy)
def _unpack(packed, width, out):  # type: ignore[no-untyped-def]
    mask = np.uint64((1 << width) - 1)
    held, filled, at = np.uint64(0), 0, 0
    for i in range(out.size):
        while filled < width:
            held |= np.uint64(packed[at]) << np.uint64(filled)
            filled += 8
            at += 1
        out[i] = held & mask
        held >>= np.uint64(width)
        filled -= width
