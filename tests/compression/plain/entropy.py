"""docs/wire/entropy.md in plain Python."""

import math

import numpy as np

from plain.core import NUMEL, Body


def ecsq(body: Body, spec: dict, numel: int = NUMEL) -> list[float]:
    if body.take(1) == b"\0":
        return [0.0] * numel
    exponent, step = body.numbers("hf")
    shifts = (0, *body.numbers("3b"))
    (direct,) = body.take(1)
    freqs = body.frequencies()
    numbers = body.tokens(body.symbols(numel, freqs), direct)
    out = []
    for u in numbers:
        q = -(u + 1) // 2 if u % 2 else u // 2
        value = (abs(q) + shifts[min(abs(q), 3)] / 256) * step
        out.append(float(np.float32(math.copysign(value, q) if q else 0.0)) * 2.0**exponent)
    return out


DECODERS = {"ecsq": ecsq}
