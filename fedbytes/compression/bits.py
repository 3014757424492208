"""Numbers of a fixed width packed into bytes: least significant bit first, zero padding last."""

from typing import Any

import numpy as np
import numpy.typing as npt

Uints = npt.NDArray[np.unsignedinteger[Any]]
_CHUNK = 1 << 15  # values spread into single bits at a time; a multiple of 8


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
    if width in (8, 16, 32):
        return values.astype(f"<u{width // 8}").tobytes()
    if width in (1, 2, 4):
        return _pack_in_byte(values, width)
    parts = []
    for start in range(0, len(values), _CHUNK):
        chunk = np.ascontiguousarray(values[start : start + _CHUNK], dtype="<u4")
        bits = np.unpackbits(chunk.view(np.uint8).reshape(-1, 4), axis=1, bitorder="little")
        parts.append(np.packbits(bits[:, :width], bitorder="little").tobytes())
    return b"".join(parts)


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
        return np.frombuffer(data, f"<u{width // 8}")
    pad = len(data) * 8 - count * width
    if pad and data[-1] >> (8 - pad):
        raise ValueError(f"padding of {pad} bits is not zero")
    if width in (1, 2, 4):
        return _unpack_in_byte(np.frombuffer(data, np.uint8), count, width)
    out = np.empty(count, np.uint8 if width < 8 else np.uint16 if width < 16 else np.uint32)
    for start in range(0, count, _CHUNK):
        size = min(_CHUNK, count - start)
        piece = np.frombuffer(data, np.uint8)[start * width // 8 :][: packed_bytes(size, width)]
        bits = np.zeros((size, 32), np.uint8)
        flat = np.unpackbits(piece, count=size * width, bitorder="little")
        bits[:, :width] = flat.reshape(size, width)
        out[start : start + size] = np.packbits(bits, axis=1, bitorder="little").view("<u4")[:, 0]
    return out


def _pack_in_byte(values: npt.NDArray[Any], width: int) -> bytes:
    if width == 1:
        return np.packbits(values.astype(bool, copy=False), bitorder="little").tobytes()
    per, mask = 8 // width, (1 << width) - 1
    whole = len(values) // per * per
    small = values.astype(np.uint8, copy=False) & np.uint8(mask)
    out = small[:whole:per].copy()
    for place in range(1, per):
        out |= small[place:whole:per] << np.uint8(place * width)
    last = sum(int(value) << place * width for place, value in enumerate(small[whole:]))
    return out.tobytes() + (bytes([last]) if whole < len(values) else b"")


def _unpack_in_byte(packed: npt.NDArray[np.uint8], count: int, width: int) -> Uints:
    if width == 1:
        return np.unpackbits(packed, count=count, bitorder="little")
    per, mask = 8 // width, np.uint8((1 << width) - 1)
    out = np.empty(len(packed) * per, np.uint8)
    for place in range(per):
        np.right_shift(packed, np.uint8(place * width), out=out[place::per])
    out &= mask
    return out[:count]
