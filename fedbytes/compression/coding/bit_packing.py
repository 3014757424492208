"""Numbers of a fixed width packed into bytes: least significant bit first, zeros as padding."""

from typing import Any

import numpy as np
import numpy.typing as npt

from fedbytes.arrays import UInt64s, Unsigned
from fedbytes.compression.coding.loops.bit_packing_loops import (
    pack_across_words,
    pack_within_bytes,
    unpack_across_words,
    unpack_within_bytes,
)


def packed_bytes(count: int, width: int) -> int:
    """Return how many bytes `count` numbers of `width` bits take."""
    return (count * width + 7) // 8


def pack_bits(values: npt.NDArray[Any], width: int) -> bytes:
    """Return `values` (1-D, integers in [0, 2^width)) packed, width 0 to 32.

    Value i has the bits i * width to (i + 1) * width - 1; bit j is bit j % 8 of byte j // 8. Bits
    of a value beyond `width` are dropped.
    """
    if width == 0:
        return b""
    if width == 1:
        # numpy has compiled loops for single bits, and whole bytes are a view: no loop of our own.
        return np.packbits(values.astype(bool, copy=False), bitorder="little").tobytes()
    if width in (8, 16, 32):
        return values.astype(f"<u{width // 8}", copy=False).tobytes()
    packed = np.zeros(packed_bytes(values.size, width), np.uint8)
    if width in (2, 4):
        small = values.astype(np.uint8, copy=False)
        whole = values.size * width // 8
        pack_within_bytes(small, width, packed[:whole])
        rest = small[whole * (8 // width) :].tolist()
        if rest:
            mask = (1 << width) - 1
            packed[-1] = sum((value & mask) << i * width for i, value in enumerate(rest))
    else:
        # Room for a last word of which only the first bytes are used.
        words = np.zeros(packed.size // 8 + 1, np.uint64)
        pack_across_words(values.astype(np.uint32, copy=False), width, words)
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
    # One payload per message: padding that may vary would let two byte strings mean the same.
    pad = len(data) * 8 - count * width
    if pad and data[-1] >> (8 - pad):
        raise ValueError(f"padding of {pad} bits is not zero")
    packed = np.frombuffer(data, np.uint8)
    if width == 1:
        ones: Unsigned = np.unpackbits(packed, count=count, bitorder="little")
        return ones
    if width in (2, 4):
        small = np.empty(packed.size * (8 // width), np.uint8)
        unpack_within_bytes(packed, width, small)
        return small[:count]
    out: Unsigned = np.empty(
        count, np.uint8 if width < 8 else np.uint16 if width < 16 else np.uint32
    )
    unpack_across_words(words_of(data), width, out)
    return out


def words_of(data: memoryview | bytes) -> UInt64s:
    """Return bytes as one bit string in 64-bit words, followed by at least one word of zeros.

    Bit j is bit j % 64 of word j // 64, so a number of up to 64 bits spans at most two words.
    """
    # The spare word lets a loop read two words for every number without asking if it is the last.
    words = np.zeros(len(data) // 8 + 2, "<u8")
    words.view(np.uint8)[: len(data)] = np.frombuffer(data, np.uint8)
    return words.astype(np.uint64, copy=False)
