"""Sorted indices of k among n coordinates, in the cheapest of four codes.

The bound is log2 C(n, k) ≈ n H(k/n) bits. Gaps between kept coordinates are coded by Golomb-Rice
(unary quotients and packed remainders), as a bitmap, or by rANS under a geometric model that both
ends compute from k and n, or under a table in the message where the gaps are not geometric.
"""

import functools

import numpy as np
import numpy.typing as npt

from . import rans
from .bits import pack_bits, packed_bytes, unpack_bits
from .tokens import DIRECT, join, split, token_of, token_range
from .wire import Reader, count_bytes

Indices = npt.NDArray[np.int64]
_RICE, _BITMAP, _GEOMETRIC, _TABLE = range(4)


def pack_indices(indices: Indices, n: int) -> bytes:
    """Return strictly ascending indices in [0, n) as bytes; n below 2^32, k travels apart."""
    if indices.size == 0 or indices.size == n:
        return b""
    gaps = np.diff(indices, prepend=-1).astype(np.uint32) - np.uint32(1)
    sizes = {_RICE: _rice_size(gaps)[0], _BITMAP: packed_bytes(n, 1)}
    tokens, raw = split(gaps)
    counts = np.bincount(tokens)
    largest = int(gaps.max())
    geometric = geometric_freqs(indices.size, n, largest)
    for method, freqs, table in (
        (_GEOMETRIC, geometric, count_bytes(largest)),
        (_TABLE, rans.normalise(counts), rans.pack_freqs(rans.normalise(counts))),
    ):
        sizes[method] = len(table) + len(raw) + rans.estimate(counts, freqs)
    method = min(sizes, key=lambda m: (sizes[m], m))
    head = bytes([method])
    if method == _RICE:
        return head + _pack_rice(gaps)
    if method == _BITMAP:
        bitmap = np.zeros(n, bool)
        bitmap[indices] = True
        return head + pack_bits(bitmap, 1)
    if method == _GEOMETRIC:
        return head + count_bytes(largest) + rans.encode(tokens, geometric) + raw
    freqs = rans.normalise(counts)
    return head + rans.pack_freqs(freqs) + rans.encode(tokens, freqs) + raw


def read_indices(reader: Reader, k: int, n: int) -> Indices:
    """Return the k indices that `pack_indices` wrote.

    Raises:
        ValueError: unless they are k ascending indices in [0, n).
    """
    if k in (0, n):
        return np.arange(k)
    method = reader.number("B", "index code", 0, _TABLE)
    if method == _BITMAP:
        bitmap = unpack_bits(reader.take(packed_bytes(n, 1), "bitmap"), n, 1)
        indices = np.flatnonzero(bitmap)
        if indices.size != k:
            raise ValueError(f"{reader.what} payload: bitmap has {indices.size} indices of {k}")
        return indices
    if method == _RICE:
        gaps = _read_rice(reader, k, n)
    else:
        if method == _GEOMETRIC:
            freqs = geometric_freqs(k, n, reader.count("largest gap", n - k))
        else:
            freqs = rans.read_freqs(reader, token_of(n - k) + 1)
        gaps = join(rans.decode(reader, k, freqs), reader, n - k)
    indices = np.cumsum(gaps, dtype=np.int64)
    indices += np.arange(k)
    if indices[-1] >= n:
        raise ValueError(f"{reader.what} payload: index {indices[-1]} is beyond {n - 1}")
    return indices


@functools.lru_cache(64)
def geometric_freqs(k: int, n: int, largest: int) -> rans.Freqs:
    """Return the token frequencies of gaps 0 to `largest` when k of n are kept at random.

    Only multiplication and subtraction in double precision: the same on every platform.
    """
    stay = 1.0 - k / n
    reached, masses = 1.0, []
    for token in range(token_of(largest) + 1):
        width = 1 << token_range(token)[1] if token >= DIRECT else 1
        after = reached * _power(stay, width)
        masses.append(max(1, int((reached - after) * 2.0**40)))
        reached = after
    return rans.normalise(np.array(masses, np.int64))


def _power(base: float, exponent: int) -> float:
    result = 1.0
    while exponent:
        if exponent & 1:
            result *= base
        base *= base
        exponent >>= 1
    return result


def _rice_size(gaps: npt.NDArray[np.uint32]) -> tuple[int, int]:
    """Return the bytes of the best Rice code and its remainder width."""
    guess = max(int(gaps.mean()), 1).bit_length()
    sizes = []
    for width in range(max(guess - 2, 0), guess + 1):
        unary = packed_bytes(gaps.size + int((gaps >> np.uint32(width)).sum()), 1)
        sizes.append((1 + len(count_bytes(unary)) + unary + packed_bytes(gaps.size, width), width))
    return min(sizes)


def _pack_rice(gaps: npt.NDArray[np.uint32]) -> bytes:
    width = _rice_size(gaps)[1]
    ends = np.cumsum((gaps >> np.uint32(width)).astype(np.int64) + 1) - 1
    unary = np.zeros(int(ends[-1]) + 1, bool)
    unary[ends] = True
    packed = pack_bits(unary, 1)
    remainders = gaps & np.uint32((1 << width) - 1)
    return bytes([width]) + count_bytes(len(packed)) + packed + pack_bits(remainders, width)


def _read_rice(reader: Reader, k: int, n: int) -> npt.NDArray[np.uint32]:
    width = reader.number("B", "Rice width", 0, 31)
    size = reader.count("unary bytes", packed_bytes(k + (n >> width), 1))
    unary = np.frombuffer(reader.take(size, "quotients"), np.uint8)
    ends = np.flatnonzero(np.unpackbits(unary, bitorder="little"))
    if ends.size != k or size != packed_bytes(int(ends[-1]) + 1, 1):
        raise ValueError(f"{reader.what} payload: {ends.size} Rice quotients, expected {k}")
    quotients = (np.diff(ends, prepend=-1) - 1).astype(np.uint32)
    packed = reader.take(packed_bytes(k, width), "remainders")
    return quotients << np.uint32(width) | unpack_bits(packed, k, width)
