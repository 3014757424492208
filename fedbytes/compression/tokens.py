"""Unbounded integers as one of at most 256 tokens plus raw low bits, for the entropy coder."""

from typing import Any

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
    if numbers.size == 0 or int(numbers.max()) < DIRECT:
        return numbers.astype(np.uint8), b""
    bases, widths = _ranges()
    large = np.flatnonzero(numbers >= DIRECT)
    values = numbers[large]
    tokens = numbers.astype(np.uint8)
    found = np.searchsorted(bases, values, side="right") - 1
    tokens[large] = found
    raw = (values - bases[found]).astype(np.uint32)
    groups = widths[found]
    return tokens, b"".join(
        pack_bits(raw[groups == w], w) for w in range(32) if (groups == w).any()
    )


def join(tokens: Bytes, reader: Reader, limit: int) -> Numbers:
    """Return the numbers of tokens whose raw bits the reader holds.

    Raises:
        ValueError: if a number is above `limit`, or the raw bits are not whole.
    """
    numbers = tokens.astype(np.uint32)
    if tokens.size and int(tokens.max()) >= DIRECT:
        if int(tokens.max()) > token_of(limit):
            raise ValueError(f"{reader.what} payload: token {tokens.max()} is beyond {limit}")
        bases, widths = _ranges()
        groups = widths[tokens]
        for width in np.flatnonzero(np.bincount(groups)).tolist():
            where = np.flatnonzero(groups == width) if width else np.empty(0, np.int64)
            packed = reader.take(packed_bytes(where.size, width), "raw bits")
            numbers[where] = bases[tokens[where]] + unpack_bits(packed, where.size, width)
    if numbers.size and int(numbers.max()) > limit:
        raise ValueError(f"{reader.what} payload: number {numbers.max()} is beyond {limit}")
    return numbers


def _ranges() -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return the smallest number and the raw width of each token that a uint32 can have."""
    pairs = [token_range(token) for token in range(token_of(2**32 - 1) + 1)]
    return (
        np.array([base for base, _ in pairs], np.uint32),
        np.array([width for _, width in pairs], np.uint8),
    )
