"""docs/wire/sparse.md in plain Python."""

import math
import struct

import numpy as np

from plain.casts import fixed
from plain.core import NUMEL, Bits, Body, generator


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


def sparse(body: Body, spec: dict) -> list[float]:
    k, out = body.count(), [0.0] * NUMEL
    kept = indices(body, k, NUMEL)
    for index, value in zip(kept, values(body, k, spec.get("bits", 1)), strict=True):
        out[index] = value
    return out


def indices(body: Body, k: int, n: int) -> list[int]:
    if k in (0, n):
        return list(range(k))
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
        kept = body.packed(n, 1)
        return [place for place in range(n) if kept[place]]
    else:
        freqs = geometric(k, n, body.count()) if method == 2 else body.frequencies()
        gaps = body.tokens(body.symbols(k, freqs))
    return [sum(gaps[: place + 1]) + place for place in range(k)]


def values(body: Body, k: int, bits: int) -> list[float]:
    if bits == 32:
        return list(body.numbers(f"{k}f"))
    if bits == 16:
        return [struct.unpack("<f", b"\0\0" + body.take(2))[0] for _ in range(k)]
    if k == 0:
        return []
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


def chunked(body: Body, spec: dict) -> list[float]:
    size = min(spec["chunk"], NUMEL)
    starts = range(0, NUMEL, size)
    sizes = [min(size, NUMEL - start) for start in starts]
    budgets = [min(spec["k"] or max(1, round((spec["density"] or 0) * c)), c) for c in sizes]
    kept = []
    if body.take(1) == b"\0":
        kept = indices(body, body.count(), NUMEL)
    else:
        whole = NUMEL // size
        ranks = []
        for part in (range(whole), range(whole, len(sizes))):
            if part:
                ways = math.comb(sizes[part[0]], budgets[part[0]])
                ranks += body.packed(len(part), (ways - 1).bit_length())
        for start, c, k, rank in zip(starts, sizes, budgets, ranks, strict=True):
            members = []
            for i in range(k, 0, -1):
                members.append(max(place for place in range(c) if math.comb(place, i) <= rank))
                rank -= math.comb(members[-1], i)
            kept += [start + place for place in reversed(members)]
    out = [0.0] * NUMEL
    for index, value in zip(kept, values(body, len(kept), spec["bits"]), strict=True):
        out[index] = value
    return out


def random(body: Body, spec: dict) -> list[float]:
    size = max(1, round(spec["density"] * NUMEL))
    purpose = "codec-common/randk" if spec.get("common") else "codec/randk"
    keys = generator(purpose).integers(0, 2**32, NUMEL, np.uint32).tolist()
    drawn = sorted(sorted(range(NUMEL), key=lambda place: (keys[place], place))[:size])
    factor = NUMEL / size if spec["scale"] else 1
    if "values" in spec:
        whole = [0.0] * NUMEL
        for place, value in zip(drawn, fixed(body, spec["values"], size), strict=True):
            whole[place] = value * factor
        return whole
    k, out = body.count(), [0.0] * NUMEL
    kept = indices(body, k, size)
    for index, value in zip(kept, values(body, k, spec["bits"]), strict=True):
        out[drawn[index]] = value * factor
    return out


DECODERS = {
    **dict.fromkeys(("topk", "stc", "threshold", "dgc"), sparse),
    "chunked_topk": chunked,
    "randk": random,
}
