"""The rANS states of all lanes, symbol by symbol."""

from typing import Any

import numpy as np

from fedbytes.arrays import UInt8s, Unsigned
from fedbytes.compression.coding.frequency_tables import TOTAL, TOTAL_BITS, Freqs
from fedbytes.compression.numerics.kernels import kernel

LOWEST_STATE = 1 << 16


def _encode_states_numpy(
    symbols: UInt8s,
    limit: Unsigned,
    gap: Unsigned,
    start: Unsigned,
    inverse: Any,
    states: Any,
    words: Any,
) -> int:
    lanes, at = states.size, int(words.size)
    for begin in range((symbols.size - 1) // lanes * lanes, -1, -lanes):
        row = symbols[begin : begin + lanes]
        x = states[: row.size]
        full = x >= limit[row]
        emit = x[full].astype(np.uint16)
        at -= emit.size
        words[at : at + emit.size] = emit
        x[full] >>= np.uint64(16)
        # The quotient by multiplication, as in the compiled loop: the twins must agree to the bit.
        x += ((x + 0.5) * inverse[row]).astype(np.uint64) * gap[row] + start[row]
    return at


def _decode_states_numpy(table: Freqs, states: Any, words: Any, symbols: UInt8s) -> int:
    lanes, at = states.size, 0
    for begin in range(0, symbols.size, lanes):
        if at > words.size - lanes:
            break  # damaged: more words are needed than there are
        x = states[: min(lanes, symbols.size - begin)]
        entry = table[x & np.uint32(TOTAL - 1)]
        symbols[begin : begin + lanes] = entry >> np.uint32(24)
        x >>= np.uint32(TOTAL_BITS)
        x *= entry >> np.uint32(12) & np.uint32(0xFFF)
        x += entry & np.uint32(0xFFF)
        empty = np.flatnonzero(x < LOWEST_STATE)
        x[empty] = x[empty] << np.uint32(16) | words[at : at + empty.size]
        at += empty.size
    return at


@kernel(_encode_states_numpy)
def encode_states(symbols, limit, gap, start, inverse, states, words):
    """Write the words that the states emit, from the end; return where the first is."""
    # No branches on the data: they would be mispredicted at every other word.
    # Unsigned throughout: signed indices would be checked for wrapping around.
    mask, one = np.uint64(states.size - 1), np.uint64(1)
    at = np.uint64(words.size)
    for back in range(symbols.size):
        i = np.uint64(symbols.size - 1 - back)
        s = symbols[i]
        x = states[i & mask]
        words[at - one] = np.uint16(x)  # kept only if the state is full
        full = np.uint64(x >= limit[s])
        at -= full
        x = x >> (full << np.uint64(4))
        # (x + 0.5) / f rounds down to x // f exactly: x is below 2^32 and f at most 4096.
        quotient = np.uint64(np.int64((np.float64(np.int64(x)) + 0.5) * inverse[s]))
        states[i & mask] = x + quotient * gap[s] + start[s]
    return at


@kernel(_decode_states_numpy)
def decode_states(table, states, words, symbols):
    """Write the symbols and refill the states; return how many words were used."""
    # 32 bits suffice: a frequency is below 4096 here, and a state at most 2^20 times that.
    low, last = np.uint32(0xFFF), np.uint64(words.size - states.size)
    at = np.uint64(0)
    for begin in range(0, symbols.size, states.size):
        if at > last:
            break
        row = symbols[begin : begin + states.size]
        for lane in range(row.size):
            x = states[lane]
            entry = table[x & low]
            row[lane] = np.uint8(entry >> np.uint32(24))
            x = (x >> np.uint32(12)) * ((entry >> np.uint32(12)) & low) + (entry & low)
            empty = np.uint32(x < np.uint32(0x10000))
            word = np.uint32(words[at]) & (np.uint32(0) - empty)
            states[lane] = x << (empty << np.uint32(4)) | word
            at += np.uint64(empty)
    return at
