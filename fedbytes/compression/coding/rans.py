"""The entropy coder: static rANS with 12-bit probabilities and interleaved lanes.

Range variants of asymmetric numeral systems (Duda 2013), 32-bit states in [2^16, 2^32) that are
refilled by 16-bit words. docs/wire.md is the normative description; the numba loops and their
numpy twins give the same bytes. Call it once a message, not once a tensor.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from fedbytes.arrays import UInt8s, UInt32s, Unsigned
from fedbytes.compression.coding.reader import Reader, count_bytes
from fedbytes.compression.numerics.kernels import kernel

TOTAL_BITS = 12
TOTAL = 1 << TOTAL_BITS
MAX_LANES = 8
_LOW = 1 << 16
_SYMBOLS_A_LANE = 8192

Freqs = UInt32s


def lanes_for(count: int) -> int:
    """Return how many lanes a message of `count` symbols has: a power of two, at most 8."""
    lanes = 1
    while lanes < MAX_LANES and lanes * _SYMBOLS_A_LANE < count:
        lanes *= 2
    return lanes


def normalise(counts: npt.NDArray[Any]) -> Freqs:
    """Return frequencies that sum to 4096 and are at least 1 wherever a count is.

    Args:
        counts: integers [1 to 256 symbols], not all zero.
    """
    total = int(counts.sum())
    scaled = (counts.astype(np.int64) * TOTAL + total // 2) // total
    freqs = np.where(counts > 0, np.maximum(scaled, 1), 0)
    # What rounding left over is taken from, or given to, where it changes least.
    while (over := int(freqs.sum()) - TOTAL) != 0:
        freqs[np.argmax(freqs)] -= np.sign(over)
    return freqs.astype(np.uint32)


def encode(symbols: UInt8s, freqs: Freqs) -> bytes:
    """Return the symbols as bytes that `decode` reads.

    Args:
        symbols: uint8 [n], each with a frequency above 0.
        freqs: from `normalise` or `geometric_freqs`; the decoder must have the same.
    """
    count = symbols.size
    if count == 0 or int(freqs.max()) == TOTAL:
        return b""
    lanes = lanes_for(count)
    states = np.full(lanes, _LOW, np.uint64)
    words = np.empty(count + 1, np.uint16)
    start = int(_encode(symbols, *_encoder_tables(freqs), states, words))
    body = words[start:]
    return b"".join(
        (
            count_bytes(body.size),
            states.astype("<u4").tobytes(),
            body.astype("<u2", copy=False).data,
        )
    )


def decode(reader: Reader, count: int, freqs: Freqs) -> UInt8s:
    """Return `count` symbols, after checking that the coder ends where it began.

    Raises:
        ValueError: if the bytes are not what `encode` writes for these frequencies.
    """
    if count == 0 or int(freqs.max()) == TOTAL:
        return np.full(count, int(np.argmax(freqs)), np.uint8)
    size = reader.count("coder words", count)
    states = reader.array("<u4", lanes_for(count), "coder states").astype(np.uint32)
    if int(states.min()) < _LOW:
        raise ValueError(f"{reader.what} payload: coder state {states.min()} is below {_LOW}")
    words = np.zeros(size + MAX_LANES, np.uint16)  # a row more, so that the loop needs no bound
    words[:size] = reader.array("<u2", size, "coder words")
    symbols = np.empty(count, np.uint8)
    used = _decode(_decoder_table(freqs), states, words, symbols)
    if used != size or (states != _LOW).any():
        raise ValueError(f"{reader.what} payload: the coded symbols are damaged")
    return symbols


def estimate(counts: npt.NDArray[Any], freqs: Freqs) -> int:
    """Return about how many bytes `encode` gives for symbols with these counts."""
    used = np.flatnonzero(counts)
    if used.size == 0 or int(freqs.max()) == TOTAL:
        return 0
    # In whole 1/256 bits: the same everywhere, so that a choice by size is too.
    cost = np.rint(256 * (TOTAL_BITS - np.log2(freqs[used]))).astype(np.int64)
    count = int(counts.sum())
    return int((counts[used] * cost).sum()) // 2048 + 2 * lanes_for(count) + 2


def pack_freqs(freqs: Freqs) -> bytes:
    """Return a table as bytes: size - 1, a bit for the form, all frequencies but the last.

    Forms: each by itself in Elias gamma, or how far each is from a guess. The guesses suit a
    peaked, nearly even distribution over zigzagged integers. The last frequency follows from the
    sum, and symbols after the last that occurs are left out. Bits are least significant first.
    """
    known = np.trim_zeros(freqs, "b")[:-1].tolist()
    acc, size = min((_written(known, form) for form in (0, 1)), key=lambda written: written[1])
    return bytes([len(known)]) + acc.to_bytes((size + 7) // 8, "little")


def _written(freqs: list[int], form: int) -> tuple[int, int]:
    """Return the bits of frequencies in one form, and how many; the first says the form."""
    acc, size = form, 1 if freqs else 0
    for i, freq in enumerate(freqs):
        guess, low = _guess(freqs[:i]) if form else (0, 0)
        off = 2 * abs(freq - guess) - (freq < guess) if form else freq
        high = (off >> low) + 1
        width = high.bit_length() - 1
        acc |= (1 | (high & ((1 << width) - 1)) << 1) << (size + width)
        size += 2 * width + 1
        acc |= (off & ((1 << low) - 1)) << size
        size += low
    return acc, size


def read_freqs(reader: Reader, limit: int) -> Freqs:
    """Return a frequency table of at most `limit` symbols.

    Raises:
        ValueError: for too many symbols, or frequencies that do not sum to 4096.
    """
    size = reader.number("B", "alphabet", 0, limit - 1) + 1
    bits = _BitCursor(reader)
    freqs: list[int] = []
    form = bits.number(1) if size > 1 else 0
    for _ in range(size - 1):
        guess, low = _guess(freqs) if form else (0, 0)
        off = (bits.gamma() - 1 << low) | bits.number(low)
        if form:
            off = guess - (off + 1) // 2 if off % 2 else guess + off // 2
        freqs.append(off)
        if not 0 <= off <= TOTAL:
            raise ValueError(f"{reader.what} payload: a frequency is {off}, allowed 0 to {TOTAL}")
    bits.end()
    last = TOTAL - sum(freqs)
    if last <= 0:
        reason = "the last frequency is 0" if last == 0 else f"frequencies sum to {sum(freqs)}"
        raise ValueError(f"{reader.what} payload: {reason}; all must sum to {TOTAL}")
    return np.array([*freqs, last], np.uint32)


def _guess(known: list[int]) -> tuple[int, int]:
    """Return a guess at the next frequency, and how many low bits of the distance are not coded.

    u = 2k - 1 and 2k stand for -k and k, which are about as frequent; beyond, the ratio of one
    magnitude to the next is taken to stay.
    """
    i = len(known)
    if i == 0:
        guess = TOTAL // 2
    elif i % 2 == 0:
        guess = known[-1]
    elif i < 5:
        guess = known[max(i - 2, 0)] // 2
    else:
        guess = min(known[-2] * known[-2] // max(known[-4], 1), known[-2])
    return guess, max(guess.bit_length() // 2 - 1, 0)


class _BitCursor:
    """Bits of a reader, least significant first."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._left = 0
        self._byte = 0

    def bit(self) -> int:
        if self._left == 0:
            self._byte, self._left = self._reader.take(1, "frequencies")[0], 8
        value, self._byte = self._byte & 1, self._byte >> 1
        self._left -= 1
        return value

    def gamma(self) -> int:
        width = 0
        while not self.bit():
            width += 1
            if width > TOTAL_BITS + 1:
                raise ValueError(f"{self._reader.what} payload: a frequency is above {TOTAL}")
        return (1 << width) | self.number(width)

    def number(self, width: int) -> int:
        return sum(self.bit() << place for place in range(width))

    def end(self) -> None:
        if self._byte:
            raise ValueError(f"{self._reader.what} payload: padding of frequencies is not zero")


def _starts(freqs: Freqs) -> Freqs:
    return (np.cumsum(freqs) - freqs).astype(np.uint32)


def _encoder_tables(freqs: Freqs) -> tuple[npt.NDArray[Any], ...]:
    """Return by symbol: the state at which to emit a word, 4096 - f, the start, and 1 / f."""
    wide = freqs.astype(np.uint64)
    return (
        wide << np.uint64(20),
        np.uint64(TOTAL) - wide,
        _starts(freqs).astype(np.uint64),
        1.0 / np.maximum(freqs, 1),
    )


def _decoder_table(freqs: Freqs) -> Freqs:
    """Return by slot: symbol << 24 | frequency << 12 | slot - start."""
    symbol = np.repeat(np.arange(freqs.size, dtype=np.uint32), freqs)
    place = np.arange(TOTAL, dtype=np.uint32) - _starts(freqs)[symbol]
    table: Freqs = symbol << np.uint32(24) | freqs[symbol] << np.uint32(12) | place
    return table


def _encode_numpy(
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
        x += ((x + 0.5) * inverse[row]).astype(np.uint64) * gap[row] + start[row]
    return at


def _decode_numpy(table: Freqs, states: Any, words: Any, symbols: UInt8s) -> int:
    lanes, at = states.size, 0
    for begin in range(0, symbols.size, lanes):
        if at > words.size - lanes:
            break  # more words are wanted than there are
        x = states[: min(lanes, symbols.size - begin)]
        entry = table[x & np.uint32(TOTAL - 1)]
        symbols[begin : begin + lanes] = entry >> np.uint32(24)
        x >>= np.uint32(TOTAL_BITS)
        x *= entry >> np.uint32(12) & np.uint32(0xFFF)
        x += entry & np.uint32(0xFFF)
        empty = np.flatnonzero(x < _LOW)
        x[empty] = x[empty] << np.uint32(16) | words[at : at + empty.size]
        at += empty.size
    return at


# No branches on the data: they would be mispredicted at every other word.


@kernel(_encode_numpy)
def _encode(symbols, limit, gap, start, inverse, states, words):  # type: ignore[no-untyped-def]
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


@kernel(_decode_numpy)
def _decode(table, states, words, symbols):  # type: ignore[no-untyped-def]
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
