"""docs/wire/lowrank.md in plain Python."""

import math

import numpy as np

from plain.core import SHAPES, Body
from plain.entropy import ecsq


def inner(body: Body, spec: dict, numel: int) -> list[float]:
    if spec["name"] == "fp32":
        return list(body.numbers(f"{numel}f"))
    return {"ecsq": ecsq}[spec["name"]](body, spec, numel)


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


DECODERS = {"powersgd": powersgd}
