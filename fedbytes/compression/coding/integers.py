"""Integers below 2^32 as one of at most 256 tokens plus raw low bits, for the entropy coder."""

import functools

import numpy as np

from fedbytes.arrays import CHUNK, Int32s, Int64s, UInt8s, UInt32s, UInt64s
from fedbytes.compression.coding.bit_packing import packed_bytes, words_of
from fedbytes.compression.coding.loops.integers_loops import (
    MANTISSA_BITS,
    add_token_counts,
    gather_numbers,
    scatter_raw_bits,
    write_tokens,
)
from fedbytes.compression.coding.reader import Reader

DIRECT_BITS = 7
DIRECT = 1 << DIRECT_BITS
_WIDTHS = 33


def zigzag(q: Int32s) -> UInt32s:
    """Map 0, -1, 1, -2, 2 … to 0, 1, 2, 3, 4 …; |q| below 2^31."""
    return ((q << 1) ^ (q >> 31)).view(np.uint32)


def unzigzag(u: UInt32s) -> Int32s:
    """Invert `zigzag`."""
    # -(0 or 1) is all zeros or all ones, which flips the bits of the negative ones.
    return (u >> np.uint32(1)).view(np.int32) ^ -(u & np.uint32(1)).view(np.int32)


def token_of(number: int, direct: int = DIRECT_BITS) -> int:
    """Return the token of a number: itself below 2^direct, else the class of its leading bits.

    A class has one exponent and the two bits after the leading one.
    """
    if number < 1 << direct:
        return number
    top = number.bit_length() - 1
    mantissa = number >> (top - MANTISSA_BITS) & ((1 << MANTISSA_BITS) - 1)
    return (1 << direct) + ((top - direct) << MANTISSA_BITS) + mantissa


def token_range(token: int, direct: int = DIRECT_BITS) -> tuple[int, int]:
    """Return the smallest number of a token and the width of its raw bits."""
    if token < 1 << direct:
        return token, 0
    exponent, mantissa = divmod(token - (1 << direct), 1 << MANTISSA_BITS)
    width = exponent + direct - MANTISSA_BITS
    return ((1 << MANTISSA_BITS) + mantissa) << width, width


def split_tokens(numbers: UInt32s, direct: int = DIRECT_BITS) -> tuple[UInt8s, bytes]:
    """Return the token of each number, and the raw bits of numbers from 2^direct on.

    Raw bits are grouped by width, narrow first; each group is packed in order.
    """
    # Each width has its own bit string, so that every group unpacks at one width.
    tokens = tokens_of(numbers, direct)
    starts, size = _raw_bit_starts(count_tokens(tokens), direct)
    if size == 0:
        return tokens, b""
    words = np.zeros(size // 8 + 2, np.uint64)
    scatter_raw_bits(numbers, tokens, 1 << direct, token_ranges(direct)[1], words, starts)
    return tokens, words.astype("<u8", copy=False).view(np.uint8)[:size].tobytes()


def tokens_of(numbers: UInt32s, direct: int = DIRECT_BITS) -> UInt8s:
    """Return the token of each number."""
    tokens = np.empty(numbers.size, np.uint8)
    write_tokens(numbers, direct, tokens)
    return tokens


def join_tokens(tokens: UInt8s, reader: Reader, limit: int, direct: int = DIRECT_BITS) -> UInt32s:
    """Return the numbers of tokens, with the raw bits read from `reader`.

    Raises:
        ValueError: if a number is above `limit`, or raw bits are missing.
    """
    numbers = tokens.astype(np.uint32)
    join_tokens_into(numbers, tokens, reader, limit, direct)
    return numbers


def join_tokens_into(
    numbers: UInt32s, tokens: UInt8s, reader: Reader, limit: int, direct: int = DIRECT_BITS
) -> None:
    """Set the elements of `numbers` [n] whose tokens [n] have raw bits, in place."""
    counts = count_tokens(tokens)
    # Before raw bits are taken: a token beyond the limit would ask for bits that are not there.
    if counts.size > token_of(limit, direct) + 1:
        raise ValueError(f"{reader.name} payload: token {counts.size - 1} is beyond {limit}")
    starts, size = _raw_bit_starts(counts, direct)
    raw = reader.take(size, "raw bits")
    _check_padding(raw, counts, direct, reader.name)
    bases, widths = token_ranges(direct)
    # One place more than a chunk, since every index is written before it is known to count.
    where = np.empty(CHUNK + 1, np.int32)
    largest = gather_numbers(
        tokens, 1 << direct, bases, widths, words_of(raw), starts, where, numbers
    )
    if largest > limit:
        raise ValueError(f"{reader.name} payload: number {largest} is beyond {limit}")


def count_tokens(tokens: UInt8s) -> Int64s:
    """Return the count of each token, up to the largest that occurs."""
    counts = np.zeros((4, 256), np.int64)
    add_token_counts(tokens, counts)
    total: Int64s = counts.sum(axis=0)
    return total[: int(np.flatnonzero(total)[-1]) + 1 if tokens.size else 0]


def _raw_bit_counts(counts: Int64s, direct: int) -> list[int]:
    """Return the count of numbers by the width of their raw bits."""
    widths = token_ranges(direct)[1][: counts.size]
    sums: list[int] = np.bincount(widths, counts, _WIDTHS).astype(np.int64).tolist()
    return sums


def _raw_bit_starts(counts: Int64s, direct: int) -> tuple[UInt64s, int]:
    """Return the first bit of each width's raw bits, and the size of all in bytes."""
    sizes = [packed_bytes(count, w) for w, count in enumerate(_raw_bit_counts(counts, direct))]
    ends = np.cumsum(sizes)
    return (8 * (ends - sizes)).astype(np.uint64), int(ends[-1])


def _check_padding(raw: memoryview, counts: Int64s, direct: int, what: str) -> None:
    end = 0
    for width, count in enumerate(_raw_bit_counts(counts, direct)):
        end += packed_bytes(count, width)
        used = count * width % 8
        if used and raw[end - 1] >> used:
            raise ValueError(f"{what} payload: padding of raw bits is not zero")


@functools.cache
def token_ranges(direct: int) -> tuple[UInt32s, UInt8s]:
    """Return the smallest number and the raw width of every token."""
    pairs = [token_range(token, direct) for token in range(token_of(2**32 - 1, direct) + 1)]
    return (
        np.array([base for base, _ in pairs], np.uint32),
        np.array([width for _, width in pairs], np.uint8),
    )
