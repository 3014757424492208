"""Unbounded integers as one of at most 256 tokens plus raw low bits, for the entropy coder."""

import functools

import numpy as np
import numpy.typing as npt

from .bits import pack_bits, packed_bytes, unpack_bits
from .rans import Bytes
from .wire import Reader

DIRECT_BITS = 7
DIRECT = 1 << DIRECT_BITS
_MANTISSA_BITS = 2

Numbers = npt.NDArray[np.uint32]


def zigzag(q: npt.NDArray[np.int32]) -> Numbers:
    """Return 0, -1, 1, -2, 2 … as 0, 1, 2, 3, 4 …; |q| below 2^31."""
    return ((q << 1) ^ (q >> 31)).view(np.uint32)


def unzigzag(u: Numbers) -> npt.NDArray[np.int32]:
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


def split(numbers: Numbers, direct: int = DIRECT_BITS) -> tuple[Bytes, bytes]:
    """Return the token of each number, and the raw bits of those at or above 2^direct.

    The raw bits stand grouped by width, narrow first, each group in order and packed.
    """
    tokens = numbers.astype(np.uint8)
    large = np.flatnonzero(numbers >= 1 << direct)
    if large.size == 0:
        return tokens, b""
    values = numbers[large]
    tokens[large] = large_tokens(values, direct)
    widths = ranges(direct)[1][tokens[large]]
    parts = [
        pack_bits(values[widths == width] & np.uint32((1 << width) - 1), width)
        for width in np.flatnonzero(np.bincount(widths)).tolist()
    ]
    return tokens, b"".join(parts)


def large_tokens(values: Numbers, direct: int = DIRECT_BITS) -> Bytes:
    """Return the tokens of numbers that are all at least 2^direct and below 2^24."""
    # The bit pattern of a float32 starts with the exponent and then the leading mantissa bits.
    classes = values.astype(np.float32).view(np.uint32) >> np.uint32(23 - _MANTISSA_BITS)
    first = ((127 + direct) << _MANTISSA_BITS) - (1 << direct)
    return (classes - np.uint32(first)).astype(np.uint8)


def join(tokens: Bytes, reader: Reader, limit: int, direct: int = DIRECT_BITS) -> Numbers:
    """Return the numbers of tokens whose raw bits the reader holds.

    Raises:
        ValueError: if a number is above `limit`, or the raw bits are not whole.
    """
    if tokens.size and int(tokens.max()) > token_of(limit, direct):
        raise ValueError(f"{reader.what} payload: token {tokens.max()} is beyond {limit}")
    bases, widths = ranges(direct)
    numbers, width_of = bases[tokens], widths[tokens]
    for width in range(1, int(width_of.max(initial=0)) + 1):
        group = width_of == width
        count = int(np.count_nonzero(group))
        if count:
            packed = reader.take(packed_bytes(count, width), "raw bits")
            numbers[group] |= unpack_bits(packed, count, width)
    if numbers.size and int(numbers.max()) > limit:
        raise ValueError(f"{reader.what} payload: number {numbers.max()} is beyond {limit}")
    return numbers


@functools.cache
def ranges(direct: int) -> tuple[Numbers, Bytes]:
    """Return the smallest number and the raw width of each token of a number below 2^32."""
    pairs = [token_range(token, direct) for token in range(token_of(2**32 - 1, direct) + 1)]
    return (
        np.array([base for base, _ in pairs], np.uint32),
        np.array([width for _, width in pairs], np.uint8),
    )
