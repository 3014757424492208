"""A decoder in plain Python, written from docs/wire.md alone, reads the golden vectors."""

import json
import math
import struct
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parent / "golden"
NUMEL = 201


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
        for _ in range(size - 1):
            width = 0
            while not bits.take(1):
                width += 1
            freqs.append((1 << width) + bits.take(width) - 1)
        self.take((bits.at + 7) // 8)
        return [*freqs, 4096 - sum(freqs)]

    def symbols(self, count: int, freqs: list[int]) -> list[int]:
        if count == 0 or max(freqs) == 4096:
            return [freqs.index(max(freqs))] * count
        lanes = 1
        while lanes < 32 and 8192 * lanes < count:
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


def ecsq(body: Body, spec: dict) -> list[float]:
    if body.take(1) == b"\0":
        return [0.0] * NUMEL
    exponent, step = body.numbers("hf")
    shifts = (0, *body.numbers("3b"))
    (direct,) = body.take(1)
    freqs = body.frequencies()
    numbers = body.tokens(body.symbols(NUMEL, freqs), direct)
    out = []
    for u in numbers:
        q = -(u + 1) // 2 if u % 2 else u // 2
        value = (abs(q) + shifts[min(abs(q), 3)] / 256) * step
        out.append(float(np.float32(math.copysign(value, q) if q else 0.0)) * 2.0**exponent)
    return out


def geometric(k: int, n: int, largest: int) -> list[int]:
    def power(base: float, exponent: int) -> float:
        result = 1.0
        while exponent:
            result = result * base if exponent % 2 else result
            base, exponent = base * base, exponent // 2
        return result

    top = largest.bit_length() - 1
    last = largest if largest < 128 else 128 + 4 * (top - 7) + (largest >> top - 2) % 4
    reached, masses = 1.0, []
    for token in range(last + 1):
        width = 1 if token < 128 else 2 ** ((token - 128) // 4 + 5)
        after = reached * power(1 - k / n, width)
        masses.append(max(1, math.floor((reached - after) * 2.0**40)))
        reached = after
    total = sum(masses)
    freqs = [max(1, (4096 * mass + total // 2) // total) for mass in masses]
    while sum(freqs) != 4096:
        freqs[freqs.index(max(freqs))] += 1 if sum(freqs) < 4096 else -1
    return freqs


def topk(body: Body, spec: dict) -> list[float]:
    k, out = body.count(), [0.0] * NUMEL
    indices = list(range(k))
    if 0 < k < NUMEL:
        (method,) = body.take(1)
        if method == 0:
            (width,) = body.take(1)
            unary, gaps = Bits(body.take(body.count())), []
            for _ in range(k):
                gaps.append(0)
                while not unary.take(1):
                    gaps[-1] += 1
            rest = body.packed(k, width)
            gaps = [(high << width) + low for high, low in zip(gaps, rest, strict=True)]
        elif method == 1:
            kept = body.packed(NUMEL, 1)
            gaps = []
            indices = [place for place in range(NUMEL) if kept[place]]
        else:
            freqs = geometric(k, NUMEL, body.count()) if method == 2 else body.frequencies()
            gaps = body.tokens(body.symbols(k, freqs))
        if gaps:
            indices = [sum(gaps[: place + 1]) + place for place in range(k)]
    for index, value in zip(indices, values(body, k, spec["bits"]), strict=True):
        out[index] = value
    return out


def values(body: Body, k: int, bits: int) -> list[float]:
    if bits == 32:
        return list(body.numbers(f"{k}f"))
    if bits == 16:
        return [struct.unpack("<f", b"\0\0" + body.take(2))[0] for _ in range(k)]
    if bits == 1:
        (mean,) = body.numbers("f")
        return [-mean if sign else mean for sign in body.packed(k, 1)]
    low, high = body.numbers("ff")
    cells = 2 ** (bits - 1)
    places = [p / 255 for p in body.take(cells)] if bits <= 4 else [0.5] * cells
    ratio = high / low
    for _ in range(bits - 1):
        ratio = math.sqrt(ratio)
    edges = [low]
    for _ in range(cells):
        edges.append(edges[-1] * ratio)
    edges[-1] = high
    levels = [min(edges[j] + (edges[j + 1] - edges[j]) * places[j], high) for j in range(cells)]
    levels = [float(np.float32(level)) for level in levels]
    return [levels[c // 2] * (-1 if c % 2 else 1) for c in body.packed(k, bits)]


def blocks(body: Body, spec: dict) -> list[float]:
    bits, size = spec["bits"], spec["block"]
    divisor = -(2 ** (bits - 1)) if spec["rounding"] == "nearest" else 2 ** (bits - 1) - 1
    peaks = body.numbers(f"{-(-NUMEL // size)}f")
    codes = [c - (c >> bits - 1 << bits) for c in body.packed(NUMEL, bits)]
    return [
        float(np.float32(np.float32(code) / np.float32(divisor)) * np.float32(peaks[i // size]))
        for i, code in enumerate(codes)
    ]


DECODERS = {"ecsq": ecsq, "topk": topk, "int": blocks}
FILES = [
    path
    for path in sorted(FOLDER.glob("*.json"))
    if path.name.split("-")[0] in DECODERS and "dither" not in path.read_text()
]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_golden_vectors_decode_as_documented(path: Path) -> None:
    golden = json.loads(path.read_text())
    body = Body(bytes.fromhex(golden["data"])[:-4])
    found = DECODERS[golden["spec"]["name"]](body, golden["spec"])
    assert body.data == b""
    expected = np.frombuffer(bytes.fromhex(golden["decoded"]), "<f4")
    assert np.array_equal(np.array(found, np.float32), expected)
