"""The common parts of docs/wire.md, read in plain Python."""

import hashlib
import struct

import numpy as np

SHAPES = ((8, 10), (0, 3), (15, 7), (16,))
SIZES = (80, 0, 105, 16)
NUMEL = 201
SEED, ROUND, SENDER = 7, 3, 2


def generator(purpose: str, round_: int = ROUND) -> np.random.Generator:
    word = int.from_bytes(hashlib.sha256(purpose.encode()).digest()[:8], "little")
    keys = (word, round_) if purpose.startswith("codec-common/") else (word, round_, SENDER)
    return np.random.default_rng(np.random.SeedSequence(SEED, spawn_key=keys))


class Bits:
    def __init__(self, data: bytes) -> None:
        self.bits = [byte >> place & 1 for byte in data for place in range(8)]
        self.at = 0

    def take(self, width: int) -> int:
        self.at += width
        taken = self.bits[self.at - width : self.at]
        return sum(bit << place for place, bit in enumerate(taken))


class Body:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def take(self, size: int) -> bytes:
        assert size <= len(self.data)
        taken, self.data = self.data[:size], self.data[size:]
        return taken

    def numbers(self, form: str) -> tuple:
        return struct.unpack("<" + form, self.take(struct.calcsize("<" + form)))

    def count(self) -> int:
        value, place = 0, 0
        while True:
            (byte,) = self.take(1)
            value |= (byte & 127) << place
            place += 7
            if byte < 128:
                return value

    def packed(self, count: int, width: int) -> list[int]:
        bits = Bits(self.take((count * width + 7) // 8))
        return [bits.take(width) for _ in range(count)]

    def frequencies(self) -> list[int]:
        size, bits, freqs = self.take(1)[0] + 1, Bits(self.data), []
        form = bits.take(1) if size > 1 else 0
        for i in range(size - 1):
            guess = [2048, freqs[0] // 2 if i else 0, 0, freqs[1] // 2 if i > 1 else 0][i % 4]
            if i and i % 2 == 0:
                guess = freqs[i - 1]
            if i >= 5 and i % 2:
                guess = min(freqs[i - 2] ** 2 // max(freqs[i - 4], 1), freqs[i - 2])
            low, width = max(guess.bit_length() // 2 - 1, 0) if form else 0, 0
            while not bits.take(1):
                width += 1
            v = ((1 << width) + bits.take(width) - 1 << low) + bits.take(low)
            freqs.append(guess + (-(v + 1) // 2 if v % 2 else v // 2) if form else v)
        self.take((bits.at + 7) // 8)
        return [*freqs, 4096 - sum(freqs)]

    def symbols(self, count: int, freqs: list[int]) -> list[int]:
        if count == 0 or max(freqs) == 4096:
            return [freqs.index(max(freqs))] * count
        lanes = 1
        while lanes < 8 and 8192 * lanes < count:
            lanes *= 2
        size = self.count()
        states, words = list(self.numbers(f"{lanes}I")), list(self.numbers(f"{size}H"))
        starts = [sum(freqs[:symbol]) for symbol in range(len(freqs))]
        out = []
        for place in range(count):
            x = states[place % lanes]
            slot = x % 4096
            symbol = max(s for s in range(len(freqs)) if starts[s] <= slot and freqs[s])
            x = freqs[symbol] * (x // 4096) + slot - starts[symbol]
            states[place % lanes] = x * 65536 + words.pop(0) if x < 65536 else x
            out.append(symbol)
        assert not words
        assert set(states) == {65536}
        return out

    def tokens(self, symbols: list[int], direct: int = 7) -> list[int]:
        numbers, base = list(symbols), 2**direct
        widths = [(s - base) // 4 + direct - 2 if s >= base else 0 for s in symbols]
        for width in sorted(set(widths) - {0}):
            where = [place for place, w in enumerate(widths) if w == width]
            for place, raw in zip(where, self.packed(len(where), width), strict=True):
                numbers[place] = (4 + (symbols[place] - base) % 4 << width) + raw
        return numbers
