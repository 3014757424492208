"""Frequency tables of the entropy coder: from counts, as bytes, and checked when read."""

from typing import Any

import numpy as np
import numpy.typing as npt

from fedbytes.arrays import Int64s, UInt32s
from fedbytes.compression.coding.reader import Reader

TOTAL_BITS = 12
TOTAL = 1 << TOTAL_BITS
Freqs = UInt32s


def normalise_counts(counts: npt.NDArray[Any]) -> Freqs:
    """Return frequencies that sum to 4096 and are at least 1 wherever a count is.

    Args:
        counts: integers [1 to 256 symbols], not all zero.
    """
    total = int(counts.sum())
    scaled = (counts.astype(np.int64) * TOTAL + total // 2) // total
    freqs = np.where(counts > 0, np.maximum(scaled, 1), 0)
    # Rounding errors are taken from, or given to, the largest frequency, which they change least.
    # One at a time, since another may be the largest after each.
    while (over := int(freqs.sum()) - TOTAL) != 0:
        freqs[np.argmax(freqs)] -= np.sign(over)
    return freqs.astype(np.uint32)


def pack_freqs(freqs: Freqs) -> bytes:
    """Return a table as bytes: size - 1, a bit for the form, all frequencies but the last.

    Forms: Elias gamma codes of the frequencies, or of their distance to a prediction, which suits
    peaked, nearly symmetric distributions over zigzagged integers. The last frequency follows from
    the sum; symbols after the last that occurs are dropped. Bits are least significant first.
    """
    # What the receiver can work out is not sent: zeros at the end, and the last by the sum.
    known = np.trim_zeros(freqs, "b")[:-1].tolist()
    acc, size = min((_write_form(known, form) for form in (0, 1)), key=lambda written: written[1])
    return bytes([len(known)]) + acc.to_bytes((size + 7) // 8, "little")


def _write_form(freqs: list[int], form: int) -> tuple[int, int]:
    """Return the bits of frequencies in one form, and their number; the first bit is the form."""
    acc, size = form, 1 if freqs else 0
    for i, freq in enumerate(freqs):
        guess, low = _predict(freqs[:i]) if form else (0, 0)
        off = 2 * abs(freq - guess) - (freq < guess) if form else freq
        # Elias gamma of the high part, then the low bits as they are.
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
    bits = _BitReader(reader)
    freqs: list[int] = []
    form = bits.number(1) if size > 1 else 0
    for _ in range(size - 1):
        guess, low = _predict(freqs) if form else (0, 0)
        off = (bits.gamma() - 1 << low) | bits.number(low)
        # The parity of the distance is its sign.
        if form:
            off = guess - (off + 1) // 2 if off % 2 else guess + off // 2
        freqs.append(off)
        if not 0 <= off <= TOTAL:
            raise ValueError(f"{reader.name} payload: a frequency is {off}, allowed 0 to {TOTAL}")
    bits.end()
    last = TOTAL - sum(freqs)
    if last <= 0:
        reason = "the last frequency is 0" if last == 0 else f"frequencies sum to {sum(freqs)}"
        raise ValueError(f"{reader.name} payload: {reason}; all must sum to {TOTAL}")
    return np.array([*freqs, last], np.uint32)


def _predict(known: list[int]) -> tuple[int, int]:
    """Predict the next frequency; return it and the width of the distance's raw low bits.

    Symbols 2k - 1 and 2k stand for -k and k, which are about equally frequent. From one magnitude
    to the next the ratio of frequencies is assumed constant.
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
    # The distance grows about as the square root of the guess (a count scatters so), half its bits;
    # a bit less is raw, since gamma codes are cheapest for small numbers.
    return guess, max(guess.bit_length() // 2 - 1, 0)


class _BitReader:
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
            # Damaged bytes may be all zeros: without a limit, this would read the whole message.
            if width > TOTAL_BITS + 1:
                raise ValueError(f"{self._reader.name} payload: a frequency is above {TOTAL}")
        return (1 << width) | self.number(width)

    def number(self, width: int) -> int:
        return sum(self.bit() << position for position in range(width))

    def end(self) -> None:
        if self._byte:
            raise ValueError(f"{self._reader.name} payload: padding of frequencies is not zero")


def slot_starts(freqs: Freqs) -> Freqs:
    """Return the first of the 4096 slots of each symbol."""
    return (np.cumsum(freqs) - freqs).astype(np.uint32)


def symbol_bits(freqs: Freqs) -> Int64s:
    """Return the cost of symbols with these frequencies, in whole 1/256 bits.

    Whole numbers are the same on every platform, and so is a choice by size.
    """
    bits: Int64s = np.rint(256 * (TOTAL_BITS - np.log2(freqs))).astype(np.int64)
    return bits
