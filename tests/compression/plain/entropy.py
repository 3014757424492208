"""docs/wire/entropy.md in plain Python."""

import math

import numpy as np

from plain.core import NUMEL, Body, generator
from plain.rotated import P, rotate_back


def numbers(body: Body, count: int) -> list[int]:
    if count == 0:
        return []
    (direct,) = body.take(1)
    freqs = body.frequencies()
    found = body.tokens(body.symbols(count, freqs), direct)
    return [-(u + 1) // 2 if u % 2 else u // 2 for u in found]


def moved(level: int, size: float, step: float) -> float:
    return float(np.float32(math.copysign(size * step, level) if level else 0.0))


def scaled_back(out: list[float], scales: tuple, name: str) -> list[float]:
    first, second = scales
    y = [np.float32(v) * np.float32(first) for v in out[: NUMEL - P]]
    y += [np.float32(v) * np.float32(second) for v in out[NUMEL - P :]]
    return [float(v) for v in rotate_back(y, generator(f"codec/{name}"))]


def ecsq(body: Body, spec: dict, numel: int = NUMEL) -> list[float]:
    if body.take(1) == b"\0":
        return [0.0] * numel
    (exponent,) = body.numbers("h")
    scales = body.numbers("2f") if spec["rounding"] == "unbiased" else None
    (step,) = body.numbers("f")
    dithered = spec["rounding"] == "dither"
    shifts = (0, 0, 0, 0) if dithered else (0, *body.numbers("3b"))
    levels, out = numbers(body, numel), []
    if dithered:
        noise = generator("codec/ecsq").random(numel, np.float32) - np.float32(0.5)
        for q, v in zip(levels, noise, strict=True):
            value = (np.float32(q) - abs(v)) * np.float32(step)
            out.append(float(-value if v < 0 else value) * 2.0**exponent)
        return out
    out = [moved(q, abs(q) + shifts[min(abs(q), 3)] / 256, step) for q in levels]
    if scales:
        out = scaled_back(out, scales, "ecsq")
    return [value * 2.0**exponent for value in out]


FOLLOW = {
    4: ["02", "20", "13", "31"],
    8: ["02", "57", "13", "64", "20", "46", "31", "75"],
}


def tcq(body: Body, spec: dict, numel: int = NUMEL) -> list[float]:
    if body.take(1) == b"\0":
        return [0.0] * numel
    (exponent,) = body.numbers("h")
    scales = body.numbers("2f") if spec["rounding"] == "unbiased" else None
    (step,) = body.numbers("f")
    shifts = [(0, *body.numbers("3b")) for _ in range(2)]
    first = body.count()
    left = [numbers(body, first), numbers(body, numel - first)]
    lanes = max(lanes for lanes in (1, 2, 4, 8, 16, 32) if lanes == 1 or 256 * lanes <= numel)
    states, out = [0] * lanes, []
    for place in range(numel):
        state = states[place % lanes]
        c = state // 2 if spec["states"] == 4 else state % 2
        k = left[c].pop(0)
        states[place % lanes] = int(FOLLOW[spec["states"]][state][k % 2])
        out.append(moved(k, 2 * abs(k) - c + shifts[c][min(abs(k), 3)] / 128, step))
    assert left == [[], []]
    if scales:
        out = scaled_back(out, scales, "tcq")
    return [value * 2.0**exponent for value in out]


DECODERS = {"ecsq": ecsq, "tcq": tcq}
