"""The entropy coder: static rANS with 12-bit probabilities and interleaved lanes.

The range variant of asymmetric numeral systems (Duda 2013): states in [2^16, 2^32) emit and
absorb 16-bit words. docs/wire.md specifies the bytes. Call it once per message, not per tensor.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fedbytes.arrays import UInt8s
from fedbytes.compression.coding.frequency_tables import (
    TOTAL,
    Freqs,
    slot_starts,
    symbol_bits,
)
from fedbytes.compression.coding.loops.rans_loops import LOWEST_STATE, decode_states, encode_states
from fedbytes.compression.coding.reader import Reader, pack_count

MAX_LANES = 8
_SYMBOLS_PER_LANE = 8192


def coder_lanes(count: int) -> int:
    """Return the number of lanes for `count` symbols: a power of two, at most 8."""
    lanes = 1
    # A lane costs 4 bytes of state; few symbols do not repay it, many run side by side in one core.
    while lanes < MAX_LANES and lanes * _SYMBOLS_PER_LANE < count:
        lanes *= 2
    return lanes


def encode_symbols(symbols: UInt8s, freqs: Freqs) -> bytes:
    """Encode symbols to bytes that `decode_symbols` reads.

    Args:
        symbols: uint8 [n], each with a frequency above 0.
        freqs: from `normalise_counts` or `geometric_freqs`; the decoder must have the same.
    """
    # A symbol that is certain carries no information, and its frequency would not fit 12 bits.
    if symbols.size == 0 or int(freqs.max()) == TOTAL:
        return b""
    return encode_by_tables(symbols, encoder_tables(freqs))


def encode_by_tables(symbols: npt.NDArray[Any], tables: Sequence[npt.NDArray[Any]]) -> bytes:
    """Encode symbols [n > 0] by `encoder_tables`, of one or of several joined tables."""
    # The last symbol is encoded first, so that the decoder runs forwards.
    states = np.full(coder_lanes(symbols.size), LOWEST_STATE, np.uint64)
    # A symbol emits one word of 16 bits at most, since no frequency is below 2^-12.
    words = np.empty(symbols.size + 1, np.uint16)
    body = words[int(encode_states(symbols, *tables, states, words)) :]
    return b"".join(
        (
            pack_count(body.size),
            states.astype("<u4").tobytes(),
            body.astype("<u2", copy=False).data,
        )
    )


def decode_symbols(reader: Reader, count: int, freqs: Freqs) -> UInt8s:
    """Decode `count` symbols and check that the coder ends in its first state.

    Raises:
        ValueError: unless `encode_symbols` wrote the bytes with these frequencies.
    """
    if count == 0 or int(freqs.max()) == TOTAL:
        return np.full(count, int(np.argmax(freqs)), np.uint8)
    size = reader.count("coder words", count)
    states = reader.array("<u4", coder_lanes(count), "coder states").astype(np.uint32)
    if int(states.min()) < LOWEST_STATE:
        raise ValueError(
            f"{reader.name} payload: coder state {states.min()} is below {LOWEST_STATE}"
        )
    words = np.zeros(size + MAX_LANES, np.uint16)  # a row of zeros spares the loop a bounds check
    words[:size] = reader.array("<u2", size, "coder words")
    symbols = np.empty(count, np.uint8)
    used = decode_states(_decoder_table(freqs), states, words, symbols)
    # The encoder began in this state: reaching it again is a checksum that costs nothing.
    if used != size or (states != LOWEST_STATE).any():
        raise ValueError(f"{reader.name} payload: the coded symbols are damaged")
    return symbols


def estimate_coded_bytes(counts: npt.NDArray[Any], freqs: Freqs) -> int:
    """Estimate the bytes of `encode_symbols` for symbols with these counts."""
    used = np.flatnonzero(counts)
    if used.size == 0 or int(freqs.max()) == TOTAL:
        return 0
    # In whole 1/256 bits throughout: a choice by size must not hang on a platform's logarithm.
    bits = int((counts[used] * symbol_bits(freqs[used])).sum())
    return bits // 2048 + 2 * coder_lanes(int(counts.sum())) + 2


def encoder_tables(freqs: Freqs) -> tuple[npt.NDArray[Any], ...]:
    """Return per symbol: the state from which to emit a word, 4096 - f, the start, and 1 / f."""
    wide = freqs.astype(np.uint64)
    return (
        wide << np.uint64(20),
        np.uint64(TOTAL) - wide,
        slot_starts(freqs).astype(np.uint64),
        1.0 / np.maximum(freqs, 1),
    )


def _decoder_table(freqs: Freqs) -> Freqs:
    """Return per slot: symbol << 24 | frequency << 12 | slot - start."""
    symbol = np.repeat(np.arange(freqs.size, dtype=np.uint32), freqs)
    offset = np.arange(TOTAL, dtype=np.uint32) - slot_starts(freqs)[symbol]
    table: Freqs = symbol << np.uint32(24) | freqs[symbol] << np.uint32(12) | offset
    return table
