"""docs/wire/entropy.md in plain Python."""

import math

import numpy as np

from plain.core import NUMEL, Body, generator


def ecsq(body: Body, spec: dict, numel: int = NUMEL) -> list[float]:
    if body.take(1) == b"\0":
        return [0.0] * numel
    exponent, step = body.numbers("hf")
    dithered = spec["rounding"] == "dither"
    shifts = (0, 0, 0, 0) if dithered else (0, *body.numbers("3b"))
    (direct,) = body.take(1)
    freqs = body.frequencies()
    numbers = body.tokens(body.symbols(numel, freqs), direct)
    levels = [-(u + 1) // 2 if u % 2 else u // 2 for u in numbers]
    out = []
    if dithered:
        noise = generator("codec/ecsq").random(numel, np.float32) - np.float32(0.5)
        for q, v in zip(levels, noise, strict=True):
            value = (np.float32(q) - abs(v)) * np.float32(step)
            out.append(float(-value if v < 0 else value) * 2.0**exponent)
        return out
    for q in levels:
        value = (abs(q) + shifts[min(abs(q), 3)] / 256) * step
        out.append(float(np.float32(math.copysign(value, q) if q else 0.0)) * 2.0**exponent)
    return out


DECODERS = {"ecsq": ecsq}
