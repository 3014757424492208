"""Unbounded integers as one of at most 256 tokens plus raw low bits, for the entropy coder."""

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


def token_of(number: int) -> int:
    """Return the token of one number."""
    if number < DIRECT:
        return number
    top = number.bit_length() - 1
    mantissa = number >> (top - _MANTISSA_BITS) & ((1 << _MANTISSA_BITS) - 1)
    return DIRECT + ((top - DIRECT_BITS) << _MANTISSA_BITS) + mantissa


def token_range(token: int) -> tuple[int, int]:
    """Return the smallest number of a token and how many raw bits follow it."""
    if token < DIRECT:
        return token, 0
    octave, mantissa = divmod(token - DIRECT, 1 << _MANTISSA_BITS)
    width = octave + DIRECT_BITS - _MANTISSA_BITS
    return ((1 << _MANTISSA_BITS) + mantissa) << width, width


def split(numbers: Numbers) -> tuple[Bytes, bytes]:
    """Return the token of each number, and the raw bits of those at or above 128.

    The raw bits stand grouped by width, narrow first, each group in order and packed.
    """
    tokens = numbers.astype(np.uint8)
    large = np.flatnonzero(numbers >= DIRECT)
    if large.size == 0:
        return tokens, b""
    values = numbers[large]
    tops = np.frexp(values.astype(np.float64))[1].astype(np.uint32) - np.uint32(1)
    widths = tops - np.uint32(_MANTISSA_BITS)
    mantissas = (values >> widths) & np.uint32((1 << _MANTISSA_BITS) - 1)
    octaves = (tops - np.uint32(DIRECT_BITS)) << np.uint32(_MANTISSA_BITS)
    tokens[large] = DIRECT + octaves + mantissas
    parts = [
        pack_bits(values[widths == width] & np.uint32((1 << width) - 1), width)
        for width in np.flatnonzero(np.bincount(widths)).tolist()
    ]
    return tokens, b"".join(parts)


def join(tokens: Bytes, reader: Reader, limit: int) -> Numbers:
    """Return the numbers of tokens whose raw bits the reader holds.

    Raises:
        ValueError: if a number is above `limit`, or the raw bits are not whole.
    """
    numbers = tokens.astype(np.uint32)
    large = np.flatnonzero(tokens >= DIRECT)
    if large.size:
        values = tokens[large]
        if int(values.max()) > token_of(limit):
            raise ValueError(f"{reader.what} payload: token {values.max()} is beyond {limit}")
        pairs = [token_range(token) for token in range(256 - 4)]
        bases = np.array([base for base, _ in pairs], np.uint64)[values].astype(np.uint32)
        widths = np.array([width for _, width in pairs], np.uint8)[values]
        for width in np.flatnonzero(np.bincount(widths)).tolist():
            where = np.flatnonzero(widths == width)
            packed = reader.take(packed_bytes(where.size, width), "raw bits")
            bases[where] |= unpack_bits(packed, where.size, width)
        numbers[large] = bases
    if numbers.size and int(numbers.max()) > limit:
        raise ValueError(f"{reader.what} payload: number {numbers.max()} is beyond {limit}")
    return numbers
