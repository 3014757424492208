"""Signed integers in contexts: one frequency table per context, one rANS stream for all.

Both ends know the context of an integer before they code it. A table is sent as the odds, for each
magnitude, that the integer has this magnitude rather than a larger one. Both signs are equally
likely.
"""

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fedbytes.arrays import Int32s, Int64s, UInt8s, UInt16s, UInt32s
from fedbytes.compression.codecs.lora_klt.loops.context_loops import (
    count_direct,
    decode_in_contexts,
)
from fedbytes.compression.coding.bit_packing import pack_bits, packed_bytes, unpack_bits
from fedbytes.compression.coding.frequency_tables import (
    Freqs,
    normalise_counts,
    symbol_bits,
)
from fedbytes.compression.coding.integers import (
    join_tokens,
    split_tokens,
    token_of,
    token_ranges,
    tokens_of,
)
from fedbytes.compression.coding.loops.rans_loops import LOWEST_STATE
from fedbytes.compression.coding.rans import coder_lanes, encode_by_tables, encoder_tables
from fedbytes.compression.coding.reader import Reader
from fedbytes.compression.quantisers.level_tokens import MAX_LEVEL

CONTEXT_DIRECT_BITS = 4
MAX_TOKEN = token_of(MAX_LEVEL, CONTEXT_DIRECT_BITS)
_ODDS_BITS = 5
_ODDS = tuple(2.0 ** (j // 2) * (1.0, 1.4142135623730951)[j % 2] for j in range(-10, 22))
_BETWEEN = tuple(
    2.0 ** (j // 2) * (1.189207115002721, 1.681792830507429)[j % 2] for j in range(-10, 21)
)
_MASS = float(1 << 40)


@dataclass(frozen=True)
class ContextTables:
    """The table of each context that occurs.

    Attributes:
        used: uint8 [c], the contexts, ascending.
        odds: for each, the index in the list of odds of every token but the last.
    """

    used: UInt8s
    odds: tuple[UInt8s, ...]

    def pack(self) -> bytes:
        """Return the largest token of each context, then all odds, 5 bits each."""
        lasts = bytes(odds.size for odds in self.odds)
        return lasts + pack_bits(np.concatenate([*self.odds, np.empty(0, np.uint8)]), _ODDS_BITS)

    @functools.cached_property
    def freqs(self) -> Freqs:
        """Frequencies [c, symbols] of 0, then of -t and +t for each token t."""
        width = 2 * max((odds.size for odds in self.odds), default=0) + 1
        table = np.zeros((len(self.odds), width), np.uint32)
        for row, odds in zip(table, self.odds, strict=True):
            row[: 2 * odds.size + 1] = _frequencies(odds.tobytes())
        return table


def count_magnitude_tokens(q: Int32s, counts: Int64s) -> int:
    """Add the tokens of |q| to counts [`MAX_TOKEN` + 1]; return the largest |q|."""
    direct = np.zeros((1 << CONTEXT_DIRECT_BITS) + 1, np.int64)
    top = int(count_direct(q, direct))
    counts[: direct.size - 1] += direct[:-1]
    if direct[-1]:
        sizes = np.abs(q)
        tokens = tokens_of(
            sizes[sizes >= 1 << CONTEXT_DIRECT_BITS].astype(np.uint32), CONTEXT_DIRECT_BITS
        )
        counts += np.bincount(tokens, minlength=counts.size)
    return top


def fit_tables(used: UInt8s, counts: Int64s) -> ContextTables:
    """Fit a table to each row of counts [c, tokens]."""
    return ContextTables(used, tuple(map(_fit, counts)))


def estimate_context_bytes(tables: ContextTables, counts: Int64s) -> float:
    """Estimate the bytes of `pack_in_contexts`."""
    bits, raw = (
        8.0 * len(tables.pack()),
        256 * token_ranges(CONTEXT_DIRECT_BITS)[1].astype(np.int64),
    )
    for row, freqs in zip(counts, tables.freqs, strict=True):
        tokens = np.flatnonzero(row)
        bits += int((row[tokens] * (symbol_bits(freqs[2 * tokens]) + raw[tokens])).sum()) / 256
    return bits / 8 + 2 * coder_lanes(int(counts.sum())) + 3


def pack_in_contexts(q: npt.NDArray[Any], contexts: UInt8s, used: UInt8s) -> bytes:
    """Return tables, coded symbols and raw bits.

    Args:
        q: signed integers [n], below `MAX_LEVEL` in magnitude.
        contexts: uint8 [n], each in `used`.
        used: the contexts that occur, ascending; the reader must know them.
    """
    if q.size == 0:
        return b""
    sizes = q.astype(np.int32)
    magnitudes, raw = split_tokens(np.abs(sizes, out=sizes).view(np.uint32), CONTEXT_DIRECT_BITS)
    del sizes
    counts = np.zeros((used.size, MAX_TOKEN + 1), np.int64)
    for row, context in zip(counts, used, strict=True):
        row += np.bincount(magnitudes[contexts == context], minlength=row.size)
    tables = fit_tables(used, counts)
    # A symbol is the first symbol of its context's table + 2 * token - (1 if negative).
    first = np.zeros(256, np.uint16)
    first[used] = np.arange(used.size, dtype=np.uint16) * np.uint16(tables.freqs.shape[1])
    symbols = first[contexts]
    for _ in range(2):
        symbols += magnitudes
    symbols -= q < 0
    del magnitudes
    return b"".join((tables.pack(), _encode(symbols, tables.freqs), raw))


def read_in_contexts(reader: Reader, contexts: UInt8s, used: UInt8s) -> tuple[UInt8s, UInt32s]:
    """Return the symbols of the integers, and the magnitudes of those that have raw bits.

    A symbol is 0, or 2 t - 1 and 2 t for the token t of a negative and a positive integer;
    `integers_of` maps them to integers, piece by piece.

    Raises:
        ValueError: unless `pack_in_contexts` wrote the bytes.
    """
    if contexts.size == 0:
        return np.empty(0, np.uint8), np.empty(0, np.uint32)
    tables = _read_tables(reader, used)
    index = np.zeros(256, np.uint8)
    index[used] = np.arange(used.size, dtype=np.uint8)
    symbols = _decode(reader, index[contexts], tables.freqs)
    tokens = symbols[symbols > 2 * (1 << CONTEXT_DIRECT_BITS) - 2]
    tokens = (tokens + np.uint8(1)) >> np.uint8(1)
    return symbols, join_tokens(tokens, reader, MAX_LEVEL, CONTEXT_DIRECT_BITS)


def integers_of(symbols: UInt8s, large: UInt32s) -> Int32s:
    """Return the integers of a piece of symbols and of its large magnitudes."""
    q = (symbols.astype(np.int32) + 1) >> 1
    q[q >= 1 << CONTEXT_DIRECT_BITS] = large
    return np.where(symbols & 1, -q, q)


def _fit(counts: Int64s) -> UInt8s:
    """Return the index of the nearest odds, count to count beyond, of each token but the last."""
    tokens = np.flatnonzero(counts)
    last = int(tokens[-1]) if tokens.size else 0
    beyond = np.cumsum(counts[: last + 1][::-1])[::-1][1:]
    ratio = counts[:last] / np.maximum(beyond, 1)
    indices: UInt8s = np.searchsorted(_BETWEEN, ratio).astype(np.uint8)
    return indices


@functools.lru_cache(maxsize=512)
def _frequencies(odds: bytes) -> Freqs:
    """Return the frequencies of 0, -1, 1, -2, 2 … for the indices of the odds."""
    left, masses = 1.0, []
    for index in odds:
        stops = left * (_ODDS[index] / (1.0 + _ODDS[index]))
        masses.append(stops)
        left -= stops
    masses.append(left)
    whole = [math.floor(mass * _MASS) + 1 for mass in masses]
    signed = whole[:1] + [half for mass in whole[1:] for half in (mass // 2 + 1,) * 2]
    return normalise_counts(np.array(signed, np.int64))


def _read_tables(reader: Reader, used: UInt8s) -> ContextTables:
    lasts = reader.array("u1", used.size, "largest tokens")
    if int(lasts.max()) > MAX_TOKEN:
        raise ValueError(f"{reader.name} payload: token {lasts.max()} is beyond {MAX_TOKEN}")
    total = int(lasts.sum())
    packed = reader.take(packed_bytes(total, _ODDS_BITS), "odds")
    odds = unpack_bits(packed, total, _ODDS_BITS).astype(np.uint8)
    return ContextTables(used, tuple(np.split(odds, np.cumsum(lasts[:-1], dtype=np.int64))))


def _encode(symbols: UInt16s, freqs: Freqs) -> bytes:
    """Encode symbols that are numbered across all tables."""
    parts = [encoder_tables(row) for row in freqs]
    tables = [np.concatenate(columns) for columns in zip(*parts, strict=True)]
    return encode_by_tables(symbols, tables)


def _decode(reader: Reader, tables: UInt8s, freqs: Freqs) -> UInt8s:
    size = reader.count("coder words", tables.size)
    states = reader.array("<u4", coder_lanes(tables.size), "coder states").astype(np.uint64)
    if int(states.min()) < LOWEST_STATE:
        raise ValueError(
            f"{reader.name} payload: coder state {states.min()} is below {LOWEST_STATE}"
        )
    words = np.zeros(size + 1, np.uint16)
    words[:size] = reader.array("<u2", size, "coder words")
    every = np.arange(freqs.shape[1], dtype=np.uint8)
    slots = np.stack([np.repeat(every, row) for row in freqs])
    starts = (np.cumsum(freqs, axis=1, dtype=np.uint32) - freqs).astype(np.uint32)
    symbols = np.empty(tables.size, np.uint8)
    used = decode_in_contexts(slots, freqs, starts, tables, states, words, symbols)
    if used != size or (states != LOWEST_STATE).any():
        raise ValueError(f"{reader.name} payload: the coded symbols are damaged")
    return symbols
