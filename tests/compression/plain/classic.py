"""docs/wire/classic.md in plain Python."""

import numpy as np

from plain.core import NUMEL, SENDER, SIZES, Body, generator


def symbols(body: Body) -> list[int]:
    (direct,) = body.take(1)
    freqs = body.frequencies()
    numbers = body.tokens(body.symbols(NUMEL, freqs), direct)
    return [-(u + 1) // 2 if u % 2 else u // 2 for u in numbers]


def grids(body: Body, spec: dict) -> list[float]:
    if "scale" in spec:
        step = spec["scale"] / spec.get("levels", 1)
        return [float(np.float32(q * step)) for q in symbols(body)]
    bucket = spec["bucket"]
    sizes = (
        [len(range(i, min(i + bucket, NUMEL))) for i in range(0, NUMEL, bucket)] if bucket else []
    )
    sizes = sizes or [size for size in SIZES if size]
    (exponent,) = body.numbers("h")
    norms = body.numbers(f"{len(sizes)}f")
    units = [np.float32(norm) / np.float32(spec.get("levels", 1)) for norm in norms]
    each = [unit for unit, size in zip(units, sizes, strict=True) for _ in range(size)]
    pairs = zip(symbols(body), each, strict=True)
    return [float(np.float32(q) * unit) * 2.0**exponent for q, unit in pairs]


def natural(body: Body, spec: dict) -> list[float]:
    (base,) = body.take(1)
    found = body.symbols(NUMEL, body.frequencies())
    signs = body.packed(sum(s > 0 for s in found), 1)
    return [(-1) ** signs.pop(0) * 2.0 ** (s + base - 128) if s else 0.0 for s in found]


def correlated(body: Body, spec: dict) -> list[float]:
    if body.take(1) == b"\0":
        return [0.0] * NUMEL
    exponent, step = body.numbers("hf")
    reverse = int(f"{SENDER:024b}"[::-1], 2)
    out = []
    noise = generator("codec-common/correlated").random(NUMEL, np.float32).tolist()
    for q, r in zip(symbols(body), noise, strict=True):
        v = (int(2**24 * r) + reverse) % 2**24 / 2**24 - 0.5
        value = np.float32(np.float32(q) - np.float32(abs(v))) * np.float32(step)
        out.append(float(-value if v < 0 else value) * 2.0**exponent)
    return out


DECODERS = {"qsgd": grids, "terngrad": grids, "natural": natural, "correlated": correlated}
