"""Unbounded integers as one of at most 256 tokens plus raw low bits, for the entropy coder."""

import functools
from typing import Any

import numpy as np

from fedbytes.arrays import CHUNK, Int32s, Int64s, UInt8s, UInt32s, UInt64s
from fedbytes.compression.coding.bit_packing import pack_bits, packed_bytes, unpack_bits, words_of
from fedbytes.compression.coding.reader import Reader
from fedbytes.compression.numerics.kernels import kernel

DIRECT_BITS = 7
DIRECT = 1 << DIRECT_BITS
_MANTISSA_BITS = 2
_WIDTHS = 33


def zigzag(q: Int32s) -> UInt32s:
    """Return 0, -1, 1, -2, 2 … as 0, 1, 2, 3, 4 …; |q| below 2^31."""
    return ((q << 1) ^ (q >> 31)).view(np.uint32)


def unzigzag(u: UInt32s) -> Int32s:
    """Return the signed integers of `zigzag`."""
    return (u >> np.uint32(1)).view(np.int32) ^ -(u & np.uint32(1)).view(np.int32)


def token_of(number: int, direct: int = DIRECT_BITS) -> int:
    """Return the token of one number: itself below 2^direct, else its two leading bits' class."""
    if number < 1 << direct:
        return number
    top = number.bit_length() - 1
    mantissa = number >> (top - _MANTISSA_BITS) & ((1 << _MANTISSA_BITS) - 1)
    return (1 << direct) + ((top - direct) << _MANTISSA_BITS) + mantissa


def token_range(token: int, direct: int = DIRECT_BITS) -> tuple[int, int]:
    """Return the smallest number of a token and how many raw bits follow it."""
    if token < 1 << direct:
        return token, 0
    octave, mantissa = divmod(token - (1 << direct), 1 << _MANTISSA_BITS)
    width = octave + direct - _MANTISSA_BITS
    return ((1 << _MANTISSA_BITS) + mantissa) << width, width


def split(numbers: UInt32s, direct: int = DIRECT_BITS) -> tuple[UInt8s, bytes]:
    """Return the token of each number, and the raw bits of those at or above 2^direct.

    The raw bits stand grouped by width, narrow first, each group in order and packed.
    """
    tokens = tokens_of(numbers, direct)
    starts, size = _groups(histogram(tokens), direct)
    if size == 0:
        return tokens, b""
    words = np.zeros(size // 8 + 2, np.uint64)
    _scatter(numbers, tokens, 1 << direct, ranges(direct)[1], words, starts)
    return tokens, words.astype("<u8", copy=False).view(np.uint8)[:size].tobytes()


def tokens_of(numbers: UInt32s, direct: int = DIRECT_BITS) -> UInt8s:
    """Return the tokens of numbers below 2^32."""
    tokens = np.empty(numbers.size, np.uint8)
    _tokens(numbers, direct, tokens)
    return tokens


def join(tokens: UInt8s, reader: Reader, limit: int, direct: int = DIRECT_BITS) -> UInt32s:
    """Return the numbers of tokens whose raw bits the reader holds.

    Raises:
        ValueError: if a number is above `limit`, or the raw bits are not whole.
    """
    numbers = tokens.astype(np.uint32)
    join_into(numbers, tokens, reader, limit, direct)
    return numbers


def join_into(
    numbers: UInt32s, tokens: UInt8s, reader: Reader, limit: int, direct: int = DIRECT_BITS
) -> None:
    """Set those of `numbers` [n] whose tokens [n] have raw bits; as `join`, without new memory."""
    counts = histogram(tokens)
    if counts.size > token_of(limit, direct) + 1:
        raise ValueError(f"{reader.what} payload: token {counts.size - 1} is beyond {limit}")
    starts, size = _groups(counts, direct)
    raw = reader.take(size, "raw bits")
    _check_padding(raw, counts, direct, reader.what)
    bases, widths = ranges(direct)
    where = np.empty(CHUNK + 1, np.int32)
    largest = _gather(tokens, 1 << direct, bases, widths, words_of(raw), starts, where, numbers)
    if largest > limit:
        raise ValueError(f"{reader.what} payload: number {largest} is beyond {limit}")


def histogram(tokens: UInt8s) -> Int64s:
    """Return how often each token occurs, up to the largest that does."""
    counts = np.zeros((4, 256), np.int64)
    _histogram(tokens, counts)
    total: Int64s = counts.sum(axis=0)
    return total[: int(np.flatnonzero(total)[-1]) + 1 if tokens.size else 0]


def _group_sizes(counts: Int64s, direct: int) -> list[int]:
    """Return how many numbers have raw bits of each width."""
    widths = ranges(direct)[1][: counts.size]
    sums: list[int] = np.bincount(widths, counts, _WIDTHS).astype(np.int64).tolist()
    return sums


def _groups(counts: Int64s, direct: int) -> tuple[UInt64s, int]:
    """Return the bit at which the raw bits of each width start, and the bytes of all."""
    sizes = [packed_bytes(count, w) for w, count in enumerate(_group_sizes(counts, direct))]
    ends = np.cumsum(sizes)
    return (8 * (ends - sizes)).astype(np.uint64), int(ends[-1])


def _check_padding(raw: memoryview, counts: Int64s, direct: int, what: str) -> None:
    end = 0
    for width, count in enumerate(_group_sizes(counts, direct)):
        end += packed_bytes(count, width)
        used = count * width % 8
        if used and raw[end - 1] >> used:
            raise ValueError(f"{what} payload: padding of raw bits is not zero")


@functools.cache
def ranges(direct: int) -> tuple[UInt32s, UInt8s]:
    """Return the smallest number and the raw width of each token of a number below 2^32."""
    pairs = [token_range(token, direct) for token in range(token_of(2**32 - 1, direct) + 1)]
    return (
        np.array([base for base, _ in pairs], np.uint32),
        np.array([width for _, width in pairs], np.uint8),
    )


def _tokens_numpy(numbers: UInt32s, direct: int, tokens: UInt8s) -> None:
    for start in range(0, numbers.size, CHUNK):
        part = numbers[start : start + CHUNK]
        # The bit pattern of a float starts with the exponent and then the leading mantissa bits.
        classes = part.astype(np.float64).view(np.int64) >> (52 - _MANTISSA_BITS)
        classes -= ((1023 + direct) << _MANTISSA_BITS) - (1 << direct)
        tokens[start : start + CHUNK] = np.where(part < 1 << direct, part, classes)


def _scatter_numpy(
    numbers: UInt32s, tokens: UInt8s, first: int, widths: UInt8s, words: Any, starts: Any
) -> None:
    packed = np.zeros(8 * words.size, np.uint8)
    width_of = widths[tokens]
    for width in np.unique(width_of[tokens >= first]).tolist():
        group = numbers[width_of == width] & np.uint32((1 << width) - 1)
        part, at = pack_bits(group, width), int(starts[width]) // 8
        packed[at : at + len(part)] = np.frombuffer(part, np.uint8)
    words[:] = packed.view("<u8")


def _gather_numpy(
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


def _histogram_numpy(tokens: UInt8s, counts: Int64s) -> None:
    for start in range(0, tokens.size, CHUNK):
        counts[0] += np.bincount(tokens[start : start + CHUNK], minlength=256)


@kernel(_tokens_numpy)
def _tokens(numbers, direct, tokens):  # type: ignore[no-untyped-def]
    first = np.uint32(1 << direct)
    less = np.int64(((1023 + direct) << 2) - (1 << direct))
    for i in range(numbers.size):
        number = numbers[i]
        token = (np.float64(number).view(np.int64) >> np.int64(50)) - less
        tokens[i] = np.uint8(number) if number < first else np.uint8(token)


@kernel(_scatter_numpy)
def _scatter(numbers, tokens, first, widths, words, starts):  # type: ignore[no-untyped-def]
    one = np.uint64(1)
    for i in range(numbers.size):
        if tokens[i] >= first:
            width = np.uint64(widths[tokens[i]])
            value = np.uint64(numbers[i]) & ((one << width) - one)
            word, shift = starts[width] >> np.uint64(6), starts[width] & np.uint64(63)
            words[word] |= value << shift
            words[word + one] |= (value >> one) >> (np.uint64(63) - shift)
            starts[width] += width


@kernel(_gather_numpy)
def _gather(tokens, first, bases, widths, words, starts, where, out):  # type: ignore[no-untyped-def]
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


@kernel(_histogram_numpy)
def _histogram(tokens, counts):  # type: ignore[no-untyped-def]
    # Four tables: neighbours are often equal, and one table would wait for its own last write.
    whole = tokens.size // 4 * 4
    for i in range(0, whole, 4):
        counts[0, tokens[i]] += 1
        counts[1, tokens[i + 1]] += 1
        counts[2, tokens[i + 2]] += 1
        counts[3, tokens[i + 3]] += 1
    for i in range(whole, tokens.size):
        counts[0, tokens[i]] += 1
