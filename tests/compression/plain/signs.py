"""docs/wire/signs.md in plain Python."""

import math

from plain.core import NUMEL, SHAPES, SIZES, Body


def sign(body: Body, spec: dict) -> list[float]:
    sizes = [spec["block"]] * (NUMEL // spec["block"]) if spec["block"] else [s for s in SIZES if s]
    if sum(sizes) < NUMEL:
        sizes.append(NUMEL - sum(sizes))
    scales = body.numbers(f"{len(sizes)}f")
    each = [scale for scale, size in zip(scales, sizes, strict=True) for _ in range(size)]
    return [-s if bit else s for s, bit in zip(each, body.packed(NUMEL, 1), strict=True)]


def signsgd(body: Body, spec: dict) -> list[float]:
    return [-1.0 if bit else 1.0 for bit in body.packed(NUMEL, 1)]


def onebit(body: Body, spec: dict) -> list[float]:
    groups, start = [], 0  # the places of each group's coordinates
    for shape in SHAPES:
        size = math.prod(shape)
        columns = shape[1] if spec["group"] == "column" and len(shape) == 2 else 1
        if size:
            groups += [range(start + c, start + size, columns) for c in range(columns)]
        start += size
    high, low = body.numbers(f"{len(groups)}f"), body.numbers(f"{len(groups)}f")
    bits, out = body.packed(NUMEL, 1), [0.0] * NUMEL
    for group, places in enumerate(groups):
        for place in places:
            out[place] = low[group] if bits.pop(0) else high[group]
    return out


DECODERS = {"sign": sign, "signsgd": signsgd, "onebit": onebit}
