"""docs/wire/composition.md in plain Python: chains of a cosine transform and top-k of chunks."""

import math
import struct

from plain.core import NUMEL, SHAPES, Body
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
        out += [single(value) for value in line(part)]
    return out


def single(value: float) -> float:
    return struct.unpack("<f", struct.pack("<f", value))[0]


def line(y: list[float]) -> list[float]:
    return back([value * math.sqrt((2 if k else 1) / len(y)) for k, value in enumerate(y)])


def undo_squares(y: list[float], chunk: int) -> list[float]:
    tensors: list[tuple[int, int, int, int, int]] = []  # which, its extents, its squares' sides
    places, rest, start = {}, [], 0
    for number, shape in enumerate(SHAPES):
        rows, columns = (shape[0], math.prod(shape[1:])) if len(shape) > 1 else (1, shape[0])
        sides = [next(2**p for p in range(12, -1, -1) if n % 2**p == 0) for n in (rows, columns)]
        height, width = (min(side, chunk) for side in sides)
        places[number] = range(start, start + rows * columns)
        start += rows * columns
        if not rows * columns:
            continue
        if height > 1 and width > 1:
            tensors.append((number, rows, columns, height, width))
        else:
            rest += places[number]
    x = [0.0] * start
    whole = [t for t in tensors if t[3:] == (chunk, chunk)]
    for number, rows, columns, height, width in [*whole, *(t for t in tensors if t not in whole)]:
        for top in range(0, rows, height):
            for left in range(0, columns, width):
                part, y = y[: height * width], y[height * width :]
                upright = [line(part[column::width]) for column in range(width)]
                for row in range(height):
                    values = line([upright[column][row] for column in range(width)])
                    at = places[number][0] + (top + row) * columns + left
                    x[at : at + width] = [single(value) for value in values]
    for place, value in zip(rest, undo_dct(y, chunk), strict=True):
        x[place] = value
    return x


def chain(body: Body, spec: dict) -> list[float]:
    (transform,), codec = spec["transforms"], spec["codec"]
    (exponent,) = body.numbers("h")
    y = SPARSE[codec["name"]](body, codec)
    assert len(y) == NUMEL
    undo = undo_squares if transform.get("square") else undo_dct
    return [value * 2.0**exponent for value in undo(y, transform["chunk"])]


def handles(spec: dict) -> bool:
    """Return whether this decoder reads a golden vector of the specification."""
    return [t["name"] for t in spec["transforms"] if isinstance(t, dict)] == ["dct"]


DECODERS = {"chain": chain}
READS = {"chain": handles}
