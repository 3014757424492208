"""docs/wire/lowrank.md in plain Python."""

import math

import numpy as np

from plain.casts import bf16, blocks, fixed, fp32
from plain.core import NUMEL, SHAPES, Body, generator
from plain.entropy import ecsq


def inner(body: Body, spec: dict, numel: int) -> list[float]:
    return {"fp32": fp32, "bf16": bf16, "int": blocks, "ecsq": ecsq, "fixed": fixed}[spec["name"]](
        body, spec, numel
    )


def powersgd(body: Body, spec: dict) -> list[float]:
    (form,) = body.take(1)
    (exponent,) = body.numbers("h")
    ranks = []
    for shape in SHAPES:
        m, n = shape if len(shape) == 2 else (1, shape[0])
        rank = min(spec["rank"], m, n) if len(shape) == 2 else 0
        ranks.append((m, n, rank if rank * (m + n) < m * n else 0))
    numel = sum(rank * (m + n) or m * n for m, n, rank in ranks)
    vector = inner(body, spec["factors"] if form == 1 else {"name": "fp32"}, numel)
    out = []
    for m, n, rank in ranks:
        sizes = (rank * m, rank * n) if rank else (m * n,)
        parts = [[vector.pop(0) for _ in range(size)] for size in sizes]
        out += product(*parts, m, n) if rank else parts[0]
    return [value * 2.0**exponent for value in out]


def product(left: list[float], right: list[float], m: int, n: int) -> list[float]:
    y = [np.float32(0)] * (m * n)
    for k in range(len(left) // m):
        u, v = left[k * m :][:m], right[k * n :][:n]
        total = 0.0
        for value in v:
            total += value * value
        size = math.sqrt(total) or 1.0
        unit = [np.float32(value / size) for value in v]
        for i in range(m):
            for j in range(n):
                y[i * n + j] = y[i * n + j] + np.float32(u[i]) * unit[j]
    return [float(value) for value in y]


def sketch(body: Body, spec: dict) -> list[float]:
    rows = spec["rows"]
    (exponent,) = (0,) if spec["values"]["name"] == "fixed" else body.numbers("h")
    columns = spec["columns"] or max(1, math.floor(spec["density"] * NUMEL / rows))
    table = inner(body, spec["values"], rows * columns)
    of_the_run = spec.get("hashes") == "run"
    purpose, place = ("sketch of the run", {"round_": 0}) if of_the_run else ("sketch", {})
    words = (
        generator(f"codec-common/{purpose}", **place)
        .integers(0, 2**32, (NUMEL, rows), np.uint32)
        .tolist()
    )
    out = []
    for mine in words:
        found = [
            (-1) ** (word % 2) * float(table[row * columns + (word // 2) * columns // 2**31])
            for row, word in enumerate(mine)
        ]
        found.sort()
        out.append(float(np.float32((found[(rows - 1) // 2] + found[rows // 2]) / 2)))
    if spec["extract"] < 1:
        kept = max(1, round(spec["extract"] * NUMEL))
        order = sorted(range(NUMEL), key=lambda place: (-abs(out[place]), place))[:kept]
        out = [value if place in order else 0.0 for place, value in enumerate(out)]
    if spec["shrink"]:
        gain = np.float32(1 / (1 + (NUMEL - 1) / columns))
        out = [float(np.float32(value) * gain) for value in out]
    return [value * 2.0**exponent for value in out]


DECODERS = {"powersgd": powersgd, "sketch": sketch}
