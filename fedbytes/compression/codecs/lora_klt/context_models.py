"""Signed integers in contexts: each context has a table of its own, all share one rANS stream.

Both ends know each integer's context before it is read. A table is a few small numbers: for each
magnitude, the odds that it stops there rather than goes on. Signs are even.
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
from fedbytes.compression.coding import rans
from fedbytes.compression.coding.bit_packing import pack_bits, packed_bytes, unpack_bits
from fedbytes.compression.coding.frequency_tables import TOTAL_BITS, Freqs, normalise_counts
from fedbytes.compression.coding.integers import (
    join_tokens,
    split_tokens,
    token_of,
    token_ranges,
    tokens_of,
)
from fedbytes.compression.coding.loops.rans_loops import LOWEST_STATE
from fedbytes.compression.coding.loops.rans_loops import encode_states as _encode_loop
from fedbytes.compression.coding.rans import encoder_tables
from fedbytes.compression.coding.reader import Reader, pack_count

DIRECT = 4
MAX_LEVEL = 1 << 22
MAX_TOKEN = token_of(MAX_LEVEL, DIRECT)
_ODDS_BITS = 5
_ODDS = tuple(2.0 ** (j // 2) * (1.0, 1.4142135623730951)[j % 2] for j in range(-10, 22))
_BETWEEN = tuple(
    2.0 ** (j // 2) * (1.189207115002721, 1.681792830507429)[j % 2] for j in range(-10, 21)
)
_MASS = float(1 << 40)


@dataclass(frozen=True)
class Tables:
    """One table a context that occurs.

    Attributes:
        used: uint8 [c], the contexts, rising.
        odds: for each, the place in the list of odds of every magnitude's token but the last.
    """

    used: UInt8s
    odds: tuple[UInt8s, ...]

    def pack(self) -> bytes:
        """Return the largest token of every context, then all odds, 5 bits each."""
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


def count_magnitudes(q: Int32s, counts: Int64s) -> int:
    """Add the tokens of q's magnitudes to counts [`MAX_TOKEN` + 1]; return the largest one."""
    direct = np.zeros((1 << DIRECT) + 1, np.int64)
    top = int(count_direct(q, direct))
    counts[: direct.size - 1] += direct[:-1]
    if direct[-1]:
        sizes = np.abs(q)
        tokens = tokens_of(sizes[sizes >= 1 << DIRECT].astype(np.uint32), DIRECT)
        counts += np.bincount(tokens, minlength=counts.size)
    return top


def fit_tables(used: UInt8s, counts: Int64s) -> Tables:
    """Return the tables that suit the counts [c, tokens]."""
    return Tables(used, tuple(map(_fit, counts)))


def symbol_bits(freqs: Any) -> Int64s:
    """Return what symbols of these frequencies cost, in 1/256 bit; the same everywhere."""
    cost: Int64s = np.rint(256 * (TOTAL_BITS - np.log2(freqs))).astype(np.int64)
    return cost


def estimate_context_bytes(tables: Tables, counts: Int64s) -> float:
    """Return about how many bytes `pack` gives."""
    bits, raw = 8.0 * len(tables.pack()), 256 * token_ranges(DIRECT)[1].astype(np.int64)
    for row, freqs in zip(counts, tables.freqs, strict=True):
        tokens = np.flatnonzero(row)
        bits += int((row[tokens] * (symbol_bits(freqs[2 * tokens]) + raw[tokens])).sum()) / 256
    return bits / 8 + 2 * rans.coder_lanes(int(counts.sum())) + 3


def pack_in_contexts(q: npt.NDArray[Any], contexts: UInt8s, used: UInt8s) -> bytes:
    """Return tables, coded symbols and raw bits.

    Args:
        q: signed integers [n], below `MAX_LEVEL` in magnitude.
        contexts: uint8 [n], each in `used`.
        used: the contexts that occur, rising; the reader must know them.
    """
    if q.size == 0:
        return b""
    sizes = q.astype(np.int32)
    magnitudes, raw = split_tokens(np.abs(sizes, out=sizes).view(np.uint32), DIRECT)
    del sizes
    counts = np.zeros((used.size, MAX_TOKEN + 1), np.int64)
    for row, context in zip(counts, used, strict=True):
        row += np.bincount(magnitudes[contexts == context], minlength=row.size)
    tables = fit_tables(used, counts)
    place = np.zeros(256, np.uint16)
    place[used] = np.arange(used.size, dtype=np.uint16) * np.uint16(tables.freqs.shape[1])
    symbols = place[contexts]
    for _ in range(2):
        symbols += magnitudes
    symbols -= q < 0
    del magnitudes
    return b"".join((tables.pack(), _encode(symbols, tables.freqs), raw))


def read_in_contexts(reader: Reader, contexts: UInt8s, used: UInt8s) -> tuple[UInt8s, UInt32s]:
    """Return the symbols of the integers, and the magnitudes of those that have raw bits.

    A symbol is 0, or 2 t - 1 and 2 t for the token t of a negative and a positive integer;
    `values` makes integers of them, a piece at a time.

    Raises:
        ValueError: if the bytes are not what `pack` writes.
    """
    if contexts.size == 0:
        return np.empty(0, np.uint8), np.empty(0, np.uint32)
    tables = _read_tables(reader, used)
    place = np.zeros(256, np.uint8)
    place[used] = np.arange(used.size, dtype=np.uint8)
    symbols = _decode(reader, place[contexts], tables.freqs)
    tokens = symbols[symbols > 2 * (1 << DIRECT) - 2]
    tokens = (tokens + np.uint8(1)) >> np.uint8(1)
    return symbols, join_tokens(tokens, reader, MAX_LEVEL, DIRECT)


def integers_of(symbols: UInt8s, large: UInt32s) -> Int32s:
    """Return the integers of a piece of symbols, and of the magnitudes that belong to it."""
    q = (symbols.astype(np.int32) + 1) >> 1
    q[q >= 1 << DIRECT] = large
    return np.where(symbols & 1, -q, q)


def _fit(counts: Int64s) -> UInt8s:
    tokens = np.flatnonzero(counts)
    last = int(tokens[-1]) if tokens.size else 0
    beyond = np.cumsum(counts[: last + 1][::-1])[::-1][1:]
    ratio = counts[:last] / np.maximum(beyond, 1)
    places: UInt8s = np.searchsorted(_BETWEEN, ratio).astype(np.uint8)
    return places


@functools.lru_cache(maxsize=512)
def _frequencies(odds: bytes) -> Freqs:
    left, masses = 1.0, []
    for place in odds:
        stops = left * (_ODDS[place] / (1.0 + _ODDS[place]))
        masses.append(stops)
        left -= stops
    masses.append(left)
    whole = [math.floor(mass * _MASS) + 1 for mass in masses]
    split_ = whole[:1] + [half for mass in whole[1:] for half in (mass // 2 + 1,) * 2]
    return normalise_counts(np.array(split_, np.int64))


def _read_tables(reader: Reader, used: UInt8s) -> Tables:
    lasts = reader.array("u1", used.size, "largest tokens")
    if int(lasts.max()) > MAX_TOKEN:
        raise ValueError(f"{reader.name} payload: token {lasts.max()} is beyond {MAX_TOKEN}")
    total = int(lasts.sum())
    packed = reader.take(packed_bytes(total, _ODDS_BITS), "odds")
    odds = unpack_bits(packed, total, _ODDS_BITS).astype(np.uint8)
    return Tables(used, tuple(np.split(odds, np.cumsum(lasts[:-1], dtype=np.int64))))


def _encode(symbols: UInt16s, freqs: Freqs) -> bytes:
    """Return rANS of symbols numbered through all tables; `rans.encode` but for the tables."""
    lanes = rans.coder_lanes(symbols.size)
    states = np.full(lanes, LOWEST_STATE, np.uint64)
    words = np.empty(symbols.size + 1, np.uint16)
    parts = [encoder_tables(row) for row in freqs]
    tables = [np.concatenate(columns) for columns in zip(*parts, strict=True)]
    start = int(_encode_loop(symbols, *tables, states, words))
    body = words[start:].astype("<u2", copy=False)
    return b"".join((pack_count(body.size), states.astype("<u4").tobytes(), body.tobytes()))


def _decode(reader: Reader, places: UInt8s, freqs: Freqs) -> UInt8s:
    size = reader.count("coder words", places.size)
    states = reader.array("<u4", rans.coder_lanes(places.size), "coder states").astype(np.uint64)
    if int(states.min()) < LOWEST_STATE:
        raise ValueError(
            f"{reader.name} payload: coder state {states.min()} is below {LOWEST_STATE}"
        )
    words = np.zeros(size + 1, np.uint16)
    words[:size] = reader.array("<u2", size, "coder words")
    every = np.arange(freqs.shape[1], dtype=np.uint8)
    slots = np.stack([np.repeat(every, row) for row in freqs])
    starts = (np.cumsum(freqs, axis=1, dtype=np.uint32) - freqs).astype(np.uint32)
    symbols = np.empty(places.size, np.uint8)
    used = decode_in_contexts(slots, freqs, starts, places, states, words, symbols)
    if used != size or (states != LOWEST_STATE).any():
        raise ValueError(f"{reader.name} payload: the coded symbols are damaged")
    return symbols
