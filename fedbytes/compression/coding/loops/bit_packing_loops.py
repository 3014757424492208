"""Bits of numbers of one width, moved into bytes or 64-bit words and back."""

import numpy as np

from fedbytes.arrays import UInt8s, UInt32s, UInt64s, Unsigned
from fedbytes.compression.numerics.kernels import kernel

_CHUNK = 1 << 15  # values that the numpy twins spread into single bits at a time; a multiple of 8


def _pack_within_bytes_numpy(values: UInt8s, width: int, packed: Unsigned) -> None:
    per, mask = 8 // width, np.uint8((1 << width) - 1)
    packed[:] = 0
    for position in range(per):
        column = values[position : packed.size * per : per] & mask
        packed |= column << np.uint8(position * width)


def _unpack_within_bytes_numpy(packed: Unsigned, width: int, out: UInt8s) -> None:
    per, mask = 8 // width, np.uint8((1 << width) - 1)
    for position in range(per):
        out[position::per] = packed >> np.uint8(position * width) & mask


def _pack_across_words_numpy(values: UInt32s, width: int, words: Unsigned) -> None:
    small: Unsigned = np.zeros(words.size, "<u8")
    packed = small.view(np.uint8)
    for start in range(0, values.size, _CHUNK):
        chunk = np.ascontiguousarray(values[start : start + _CHUNK], dtype="<u4")
        bits = np.unpackbits(chunk.view(np.uint8).reshape(-1, 4), axis=1, bitorder="little")
        part = np.packbits(bits[:, :width], bitorder="little")
        packed[start * width // 8 :][: part.size] = part
    words[:] = small


def _unpack_across_words_numpy(words: UInt64s, width: int, out: Unsigned) -> None:
    packed = words.astype("<u8", copy=False).view(np.uint8)
    for start in range(0, out.size, _CHUNK):
        size = min(_CHUNK, out.size - start)
        piece = packed[start * width // 8 :][: (size * width + 7) // 8]
        bits = np.zeros((size, 32), np.uint8)
        flat = np.unpackbits(piece, count=size * width, bitorder="little")
        bits[:, :width] = flat.reshape(size, width)
        out[start : start + size] = np.packbits(bits, axis=1, bitorder="little").view("<u4")[:, 0]


@kernel(_pack_within_bytes_numpy)
def pack_within_bytes(values, width, packed):
    """Pack numbers of 2 or 4 bits, whole bytes at a time."""
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


@kernel(_unpack_within_bytes_numpy)
def unpack_within_bytes(packed, width, out):
    """Unpack numbers of 2 or 4 bits, whole bytes at a time."""
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


@kernel(_pack_across_words_numpy)
def pack_across_words(values, width, words):
    """Pack numbers of `width` bits into 64-bit words, which start as zeros."""
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
            # The bits that did not fit; none are left where the shift is the whole width.
            held = value >> (size - filled)
    if filled > np.uint64(0):
        words[at] = held


@kernel(_unpack_across_words_numpy)
def unpack_across_words(words, width, out):
    """Unpack numbers of `width` bits from 64-bit words."""
    mask, one = np.uint64((1 << width) - 1), np.uint64(1)
    bit = np.uint64(0)
    for i in range(out.size):
        word, shift = bit >> np.uint64(6), bit & np.uint64(63)
        # In two shifts: one shift by 64 - shift would be undefined where shift is 0.
        high = (words[word + one] << one) << (np.uint64(63) - shift)
        out[i] = (words[word] >> shift | high) & mask
        bit += np.uint64(width)
