"""Tokens of numbers, and their raw bits grouped by width."""

from typing import Any

import numpy as np

from fedbytes.arrays import CHUNK, Int64s, UInt8s, UInt32s
from fedbytes.compression.coding.bit_packing import pack_bits, packed_bytes, unpack_bits
from fedbytes.compression.numerics.kernels import kernel

MANTISSA_BITS = 2


def _write_tokens_numpy(numbers: UInt32s, direct: int, tokens: UInt8s) -> None:
    for start in range(0, numbers.size, CHUNK):
        part = numbers[start : start + CHUNK]
        # The bit pattern of a float starts with the exponent and then the leading mantissa bits.
        classes = part.astype(np.float64).view(np.int64) >> (52 - MANTISSA_BITS)
        classes -= ((1023 + direct) << MANTISSA_BITS) - (1 << direct)
        tokens[start : start + CHUNK] = np.where(part < 1 << direct, part, classes)


def _scatter_raw_bits_numpy(
    numbers: UInt32s, tokens: UInt8s, first: int, widths: UInt8s, words: Any, starts: Any
) -> None:
    packed = np.zeros(8 * words.size, np.uint8)
    width_of = widths[tokens]
    for width in np.unique(width_of[tokens >= first]).tolist():
        group = numbers[width_of == width] & np.uint32((1 << width) - 1)
        part, at = pack_bits(group, width), int(starts[width]) // 8
        packed[at : at + len(part)] = np.frombuffer(part, np.uint8)
    words[:] = packed.view("<u8")


def _gather_numbers_numpy(
    tokens: UInt8s,
    first: int,
    bases: UInt32s,
    widths: UInt8s,
    words: Any,
    starts: Any,
    scratch: Any,
    out: UInt32s,
) -> int:
    packed, largest = words.astype("<u8", copy=False).view(np.uint8), 0
    where = np.flatnonzero(tokens >= first)
    width_of = widths[tokens[where]]
    for width in np.flatnonzero(np.bincount(width_of)).tolist():
        group = where[width_of == width]
        at = int(starts[width]) // 8
        raw = unpack_bits(packed[at : at + packed_bytes(group.size, width)].data, group.size, width)
        out[group] = bases[tokens[group]] | raw
        largest = max(largest, int(out[group].max()))
    return largest


def _add_token_counts_numpy(tokens: UInt8s, counts: Int64s) -> None:
    for start in range(0, tokens.size, CHUNK):
        counts[0] += np.bincount(tokens[start : start + CHUNK], minlength=256)


@kernel(_write_tokens_numpy)
def write_tokens(numbers, direct, tokens):
    """Write the token of each number."""
    first = np.uint32(1 << direct)
    less = np.int64(((1023 + direct) << 2) - (1 << direct))
    for i in range(numbers.size):
        number = numbers[i]
        token = (np.float64(number).view(np.int64) >> np.int64(50)) - less
        tokens[i] = np.uint8(number) if number < first else np.uint8(token)


@kernel(_scatter_raw_bits_numpy)
def scatter_raw_bits(numbers, tokens, first, widths, words, starts):
    """Write the raw bits of numbers with tokens from `first` on, grouped by width."""
    one = np.uint64(1)
    for i in range(numbers.size):
        if tokens[i] >= first:
            width = np.uint64(widths[tokens[i]])
            value = np.uint64(numbers[i]) & ((one << width) - one)
            word, shift = starts[width] >> np.uint64(6), starts[width] & np.uint64(63)
            words[word] |= value << shift
            # The part beyond the word, shifted twice since a shift by 64 is undefined.
            words[word + one] |= (value >> one) >> (np.uint64(63) - shift)
            starts[width] += width


@kernel(_gather_numbers_numpy)
def gather_numbers(tokens, first, bases, widths, words, starts, where, out):
    """Set the numbers with tokens from `first` on from their raw bits; return the largest."""
    one, largest = np.uint64(1), np.uint32(0)
    for start in range(0, tokens.size, where.size - 1):
        part = tokens[start : start + where.size - 1]
        found = 0
        for i in range(part.size):  # in two loops, since large or not is hard to predict
            where[found] = i
            found += part[i] >= first
        for k in range(found):
            token = part[where[k]]
            width = np.uint64(widths[token])
            word, shift = starts[width] >> np.uint64(6), starts[width] & np.uint64(63)
            raw = words[word] >> shift | (words[word + one] << one) << (np.uint64(63) - shift)
            number = bases[token] | np.uint32(raw & ((one << width) - one))
            out[start + where[k]] = number
            largest = number if number > largest else largest
            starts[width] += width
    return largest


@kernel(_add_token_counts_numpy)
def add_token_counts(tokens, counts):
    """Add the occurrences of each token to four tables."""
    # Four tables: neighbours are often equal, and one table would wait for its own last write.
    whole = tokens.size // 4 * 4
    for i in range(0, whole, 4):
        counts[0, tokens[i]] += 1
        counts[1, tokens[i + 1]] += 1
        counts[2, tokens[i + 2]] += 1
        counts[3, tokens[i + 3]] += 1
    for i in range(whole, tokens.size):
        counts[0, tokens[i]] += 1
