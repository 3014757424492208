"""docs/wire/composition.md in plain Python: chains of a cosine transform and top-k of chunks."""

import math
import struct

from plain.core import NUMEL, Body
from plain.sparse import DECODERS as SPARSE


def cosines(n: int) -> list[float]:
    if n == 2:
        return [math.sqrt(0.5)]
    wide = cosines(n // 2)
    narrow = [math.sqrt((1 + c) / 2) for c in wide]
    sines = [wide[len(wide) - 1 - i] / (2 * c) for i, c in enumerate(narrow)]
    return narrow + sines[::-1]


def back(x: list[float]) -> list[float]:
    n = len(x)
    if n == 1:
        return x
    evens = back(x[::2])
    odds = back([x[1], *(a + b for a, b in zip(x[3::2], x[1::2], strict=False))])
    odds = [d * (0.5 / c) for d, c in zip(odds, cosines(n), strict=True)]
    pairs = list(zip(evens, odds, strict=True))
    return [g + d for g, d in pairs] + [g - d for g, d in pairs[::-1]]


def undo_dct(y: list[float], chunk: int) -> list[float]:
    out: list[float] = []
    while len(out) < len(y):
        left = len(y) - len(out)
        n = chunk if left >= chunk else 2 ** (left.bit_length() - 1)
        part = y[len(out) : len(out) + n]
        scaled = [value * math.sqrt((2 if k else 1) / n) for k, value in enumerate(part)]
        out += [struct.unpack("<f", struct.pack("<f", value))[0] for value in back(scaled)]
    return out


def chain(body: Body, spec: dict) -> list[float]:
    (transform,), codec = spec["transforms"], spec["codec"]
    (exponent,) = body.numbers("h")
    y = SPARSE[codec["name"]](body, codec)
    assert len(y) == NUMEL
    return [value * 2.0**exponent for value in undo_dct(y, transform["chunk"])]


def handles(spec: dict) -> bool:
    """Return whether this decoder reads a golden vector of the specification."""
    return [t["name"] for t in spec["transforms"] if isinstance(t, dict)] == ["dct"]


DECODERS = {"chain": chain}
READS = {"chain": handles}
