"""Sorted indices of k among n coordinates, in the cheapest of four codes.

The bound is log2 C(n, k) ≈ n H(k/n) bits. The codes are a bitmap, Golomb-Rice codes of the gaps
(unary quotients, packed remainders), and rANS of the gaps, either with a geometric model that both
ends compute from k and n, or with a table in the message if the gaps are not geometric.
"""

import functools
from typing import Any

import numpy as np

from fedbytes.arrays import Indices, UInt32s
from fedbytes.compression.coding.bit_packing import pack_bits, packed_bytes, unpack_bits
from fedbytes.compression.coding.frequency_tables import (
    Freqs,
    normalise_counts,
    pack_freqs,
    read_freqs,
)
from fedbytes.compression.coding.integers import (
    DIRECT,
    count_tokens,
    join_tokens_into,
    split_tokens,
    token_of,
    token_range,
)
from fedbytes.compression.coding.loops.index_sets_loops import GAP_CHUNK, read_unary, sum_gaps
from fedbytes.compression.coding.rans import decode_symbols, encode_symbols, estimate_coded_bytes
from fedbytes.compression.coding.reader import Reader, pack_count

_RICE, _BITMAP, _GEOMETRIC, _TABLE = range(4)


def index_type(n: int) -> type[np.signedinteger[Any]]:
    """Return the dtype of indices below n: int32 if it suffices."""
    return np.int32 if n < 1 << 31 else np.int64


def pack_indices(indices: Indices, n: int) -> bytes:
    """Return strictly ascending indices in [0, n) as bytes; n < 2^32, and k is sent separately."""
    # None or all: the receiver knows k, and so knows which.
    if indices.size == 0 or indices.size == n:
        return b""
    # A gap is the number of indices that are skipped before one.
    gaps = np.empty(indices.size, np.uint32)
    gaps[0] = indices[0]
    np.subtract(indices[1:], indices[:-1], out=gaps[1:], casting="unsafe")
    # Ascending indices differ by one at least, so one less is the gap, and zero is used.
    gaps[1:] -= np.uint32(1)
    # The shortest of four codes; sizes of rANS are estimates that every platform computes alike.
    sizes = {_RICE: _rice_size(gaps)[0], _BITMAP: packed_bytes(n, 1)}
    tokens, raw = split_tokens(gaps)
    counts = count_tokens(tokens)
    largest = int(gaps.max())
    geometric = geometric_freqs(indices.size, n, largest)
    for method, freqs, table in (
        (_GEOMETRIC, geometric, pack_count(largest)),
        (_TABLE, normalise_counts(counts), pack_freqs(normalise_counts(counts))),
    ):
        sizes[method] = len(table) + len(raw) + estimate_coded_bytes(counts, freqs)
    # Ties by number, so that every platform writes the same bytes.
    method = min(sizes, key=lambda m: (sizes[m], m))
    head = bytes([method])
    if method == _RICE:
        return head + _pack_rice(gaps)
    if method == _BITMAP:
        bitmap = np.zeros(n, bool)
        bitmap[indices] = True
        return head + pack_bits(bitmap, 1)
    if method == _GEOMETRIC:
        return head + pack_count(largest) + encode_symbols(tokens, geometric) + raw
    freqs = normalise_counts(counts)
    return head + pack_freqs(freqs) + encode_symbols(tokens, freqs) + raw


def read_indices(reader: Reader, k: int, n: int, buffer: UInt32s | None = None) -> Indices:
    """Return the k indices that `pack_indices` wrote.

    Args:
        reader: where they are read from.
        k: the number of indices, at most n.
        n: upper bound of the indices, below 2^32.
        buffer: uint32 [k or more] whose memory the result takes if n < 2^31, or None.

    Raises:
        ValueError: unless they are k ascending indices in [0, n).
    """
    gaps = np.empty(k, np.uint32) if buffer is None else buffer[:k]
    if k in (0, n):
        gaps[:] = 0
        return _indices_of(gaps, n)
    method = reader.number("B", "index code", 0, _TABLE)
    if method == _BITMAP:
        _read_bitmap(reader, n, gaps)
    elif method == _RICE:
        _read_rice(reader, n, gaps)
    else:
        if method == _GEOMETRIC:
            freqs = geometric_freqs(k, n, reader.count("largest gap", n - k))
        else:
            freqs = read_freqs(reader, token_of(n - k) + 1)
        tokens = decode_symbols(reader, k, freqs)
        gaps[:] = tokens
        join_tokens_into(gaps, tokens, reader, n - k)
    indices = _indices_of(gaps, n)
    if indices[-1] >= n:
        raise ValueError(f"{reader.name} payload: index {indices[-1]} is beyond {n - 1}")
    return indices


def _indices_of(gaps: UInt32s, n: int) -> Indices:
    """Return the indices with these gaps, each at most n; in the memory of the gaps if they fit.

    Indices saturate at n, so that checking the last one suffices.
    """
    indices = gaps.view(np.int32) if n < 1 << 31 else np.empty(gaps.size, np.int64)
    sum_gaps(gaps, n, indices)
    return indices


@functools.lru_cache(64)
def geometric_freqs(k: int, n: int, largest: int) -> Freqs:
    """Return the token frequencies of gaps up to `largest` if a random k of n are kept.

    Float64 products and differences only, so that every platform gets the same table.
    """
    stay = 1.0 - k / n
    reached, masses = 1.0, []
    for token in range(token_of(largest) + 1):
        width = 1 << token_range(token)[1] if token >= DIRECT else 1
        # P(gap reaches the next token); its fall is the mass of this token.
        after = reached * _power(stay, width)
        # In units of 2^-40, at least one, so that a gap that does occur always has a code.
        masses.append(max(1, int((reached - after) * 2.0**40)))
        reached = after
    return normalise_counts(np.array(masses, np.int64))


def _power(base: float, exponent: int) -> float:
    result = 1.0
    while exponent:
        if exponent & 1:
            result *= base
        base *= base
        exponent >>= 1
    return result


def _rice_size(gaps: UInt32s) -> tuple[int, int]:
    """Return the size in bytes of the best Rice code, and its remainder width."""
    # The best remainder width is near log2 of the mean gap; try three.
    guess = max(int(gaps.mean()), 1).bit_length()
    sizes = []
    for width in range(max(guess - 2, 0), guess + 1):
        unary = packed_bytes(gaps.size + int((gaps >> np.uint32(width)).sum()), 1)
        sizes.append((1 + len(pack_count(unary)) + unary + packed_bytes(gaps.size, width), width))
    return min(sizes)


def _pack_rice(gaps: UInt32s) -> bytes:
    width = _rice_size(gaps)[1]
    # Quotient q is q zeros and a one; remainders follow, packed.
    ends = np.cumsum((gaps >> np.uint32(width)).astype(np.int64) + 1) - 1
    unary = np.zeros(int(ends[-1]) + 1, bool)
    unary[ends] = True
    packed = pack_bits(unary, 1)
    remainders = gaps & np.uint32((1 << width) - 1)
    return bytes([width]) + pack_count(len(packed)) + packed + pack_bits(remainders, width)


def _read_rice(reader: Reader, n: int, gaps: UInt32s) -> None:
    k = gaps.size
    width = reader.number("B", "Rice width", 0, 31)
    size = reader.count("unary bytes", packed_bytes(k + (n >> width), 1))
    unary = np.frombuffer(reader.take(size, "quotients"), np.uint8)
    ones, used = read_unary(unary, gaps)
    if ones != k or size != packed_bytes(int(used), 1):
        raise ValueError(f"{reader.name} payload: {ones} Rice quotients, expected {k}")
    # Quotients become gaps in place, piece by piece, without a second array.
    packed = reader.take(packed_bytes(k, width), "remainders")
    for start in range(0, k, GAP_CHUNK):
        piece = min(GAP_CHUNK, k - start)
        rest = packed[start * width // 8 :][: packed_bytes(piece, width)]
        part = gaps[start : start + piece]
        part <<= np.uint32(width)
        part |= unpack_bits(rest, piece, width)


def _read_bitmap(reader: Reader, n: int, gaps: UInt32s) -> None:
    """Set the gaps between the ones of a bitmap of n bits."""
    bitmap = np.frombuffer(reader.take(packed_bytes(n, 1), "bitmap"), np.uint8)
    if n % 8 and bitmap[-1] >> n % 8:
        raise ValueError(f"{reader.name} payload: padding of the bitmap is not zero")
    ones, _ = read_unary(bitmap, gaps)
    if ones != gaps.size:
        raise ValueError(f"{reader.name} payload: bitmap has {ones} indices of {gaps.size}")
