"""Levels of the uniform quantiser as tokens of the entropy coder: packed and read."""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from fedbytes.arrays import CHUNK, Floats, Int32s, Int64s, UInt8s, UInt32s
from fedbytes.compression.coding.frequency_tables import (
    Freqs,
    normalise_counts,
    pack_freqs,
    read_freqs,
)
from fedbytes.compression.coding.integers import (
    DIRECT_BITS,
    join_tokens_into,
    split_tokens,
    token_of,
    token_ranges,
    unzigzag,
)
from fedbytes.compression.coding.rans import decode_symbols, encode_symbols, estimate_coded_bytes
from fedbytes.compression.coding.reader import Reader
from fedbytes.compression.quantisers.loops.uniform_loops import (
    CLASSES,
    collect_large,
    look_up_tokens,
    replace_large,
    write_large_values,
)

MAX_LEVEL = 1 << 22  # |q| beyond this would be finer than float32
_NUMBER_LIMIT = 2 * MAX_LEVEL + 2
OFFSET_STEPS = 256
NO_OFFSETS = (0,) * CLASSES
_DIRECT_CHOICES = (3, 4, 5, 6, 7)


@dataclass(frozen=True)
class LevelTokens:
    """A quantised vector, ready for the entropy coder.

    Attributes:
        tokens: uint8 [n]: the zigzagged level below 128, else 128 or more.
        large: the zigzagged levels from 128 on, in order.
        counts: occurrences of each token that `split_tokens` gives.
    """

    tokens: UInt8s
    large: UInt32s
    counts: Int64s

    def size(self) -> int:
        """Estimate the bytes of `pack`."""
        return min(size for size, _ in map(self._size, _DIRECT_CHOICES))

    def pack(self) -> bytes:
        """Return the width of direct tokens, frequencies, coded tokens and raw bits."""
        sizes = {direct: self._size(direct) for direct in _DIRECT_CHOICES}
        # Raw bits cost time, so each number with raw bits must save 1/512 bit.
        costs = {
            d: size + int(self.counts[1 << d :].sum()) // 4096 for d, (size, _) in sizes.items()
        }
        direct = min(costs, key=lambda d: (costs[d], -d))
        freqs = sizes[direct][1]
        tokens, raw = self._split(direct)
        return b"".join((bytes([direct]), pack_freqs(freqs), encode_symbols(tokens, freqs), raw))

    def _split(self, direct: int) -> tuple[UInt8s, bytes]:
        """Return tokens where numbers below 2^direct are direct, and the raw bits of the rest."""
        first = 1 << direct
        numbers = self.large
        if direct < DIRECT_BITS:
            numbers = np.empty(int(self.counts[first:].sum()), np.uint32)
            collect_large(self.tokens, self.large, first, numbers)
        if numbers.size == 0:
            return self.tokens, b""
        coarse, raw = split_tokens(numbers, direct)
        tokens = np.empty_like(self.tokens)
        replace_large(self.tokens, first, coarse, tokens)
        return tokens, raw

    def _size(self, direct: int) -> tuple[int, Freqs]:
        """Return size and frequencies if numbers below 2^direct are their own tokens.

        Each symbol takes at least 1/4096 of the probability; rare numbers share tokens instead.
        """
        fewer = _coarser_tokens(direct)[: self.counts.size]
        counts = np.bincount(fewer, weights=self.counts).astype(np.int64)
        freqs = normalise_counts(counts)
        raw = int((counts * token_ranges(direct)[1][: counts.size]).sum()) // 8
        return 1 + len(pack_freqs(freqs)) + estimate_coded_bytes(counts, freqs) + raw, freqs


@functools.cache
def _coarser_tokens(direct: int) -> UInt8s:
    """Map each token with 128 direct ones to its token with 2^direct."""
    lows = token_ranges(DIRECT_BITS)[0].tolist()
    return np.array([token_of(low, direct) for low in lows], np.uint8)


def read_uniform(reader: Reader, count: int, step: float, offsets: Any = NO_OFFSETS) -> Floats:
    """Return sign(q) (|q| + offset / 256) step of each coordinate, rounded once to float32.

    Args:
        reader: positioned at what `LevelTokens.pack` wrote.
        count: coordinates.
        step: the quantiser's step.
        offsets: of |q| = 1, 2, and 3 or more, in 1/256 step.

    Raises:
        ValueError: unless `LevelTokens.pack` wrote the bytes for `count` coordinates.
    """
    direct = reader.number("B", "direct bits", _DIRECT_CHOICES[0], _DIRECT_CHOICES[-1])
    freqs = read_freqs(reader, token_of(_NUMBER_LIMIT, direct) + 1)
    tokens = decode_symbols(reader, count, freqs)
    table = np.zeros(256, np.float32)
    plain = np.arange(1 << direct, dtype=np.uint32)
    table[: plain.size] = _level_values(unzigzag(plain), step, offsets)
    y = np.empty(count, np.float32)
    look_up_tokens(table, tokens, y)
    if freqs.size > plain.size:
        join_tokens_into(y.view(np.uint32), tokens, reader, _NUMBER_LIMIT, direct)
        moved = np.array([0, *offsets], np.float64) / OFFSET_STEPS
        where = np.empty(CHUNK + 1, np.int32)
        write_large_values(y.view(np.uint32), tokens, plain.size, moved, step, where, y)
    return y


def _level_values(q: Int32s, step: float, offsets: Any) -> Floats:
    size = np.abs(q)
    moved = np.array([0, *offsets], np.float64) / OFFSET_STEPS
    return (np.sign(q) * (size + moved[np.minimum(size, CLASSES)]) * step).astype(np.float32)
