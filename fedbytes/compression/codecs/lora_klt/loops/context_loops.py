"""Magnitudes counted, and rANS decoded with one table per context."""

from typing import Any

import numpy as np

from fedbytes.arrays import Int32s, Int64s
from fedbytes.compression.coding.frequency_tables import TOTAL, TOTAL_BITS
from fedbytes.compression.coding.loops.rans_loops import LOWEST_STATE
from fedbytes.compression.numerics.kernels import kernel


def _count_direct_numpy(q: Int32s, direct: Int64s) -> int:
    sizes = np.abs(q)
    direct += np.bincount(np.minimum(sizes, direct.size - 1), minlength=direct.size)
    return int(sizes.max())


@kernel(_count_direct_numpy)
def count_direct(q, direct):
    """Count magnitudes up to the last one of `direct`; return the largest."""
    last, top = np.int32(direct.size - 1), np.int32(0)
    for i in range(q.size):
        size = abs(q[i])
        direct[min(size, last)] += 1
        top = max(top, size)
    return top


def _decode_in_contexts_numpy(
    slots: Any, freqs: Any, starts: Any, tables: Any, states: Any, words: Any, symbols: Any
) -> int:
    lanes, at, last = states.size, 0, words.size - 1
    for begin in range(0, symbols.size, lanes):
        x = states[: min(lanes, symbols.size - begin)]
        table = tables[begin : begin + lanes]
        slot = x & np.uint64(TOTAL - 1)
        symbol = slots[table, slot]
        symbols[begin : begin + lanes] = symbol
        x >>= np.uint64(TOTAL_BITS)
        x *= freqs[table, symbol]
        x += slot - starts[table, symbol]
        empty = np.flatnonzero(x < LOWEST_STATE)
        where = np.minimum(at + np.arange(empty.size), last)
        x[empty] = x[empty] << np.uint64(16) | words[where]
        at += empty.size
    return at


@kernel(_decode_in_contexts_numpy)
def decode_in_contexts(slots, freqs, starts, tables, states, words, symbols):
    """Write the symbols, each by the table of its context; return the words used."""
    mask, last = np.uint64(states.size - 1), np.uint64(words.size - 1)
    at = np.uint64(0)
    for n in range(symbols.size):
        i = np.uint64(n)
        table = tables[i]
        x = states[i & mask]
        slot = x & np.uint64(0xFFF)
        symbol = slots[table, slot]
        symbols[i] = symbol
        x = (x >> np.uint64(12)) * np.uint64(freqs[table, symbol])
        x += slot - np.uint64(starts[table, symbol])
        word = np.uint64(words[min(at, last)])
        empty = x < np.uint64(0x10000)
        x = (x << np.uint64(16) | word) if empty else x
        at += np.uint64(empty)
        states[i & mask] = x
    return at
