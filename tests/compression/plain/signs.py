"""docs/wire/signs.md in plain Python."""

from plain.core import NUMEL, SIZES, Body


def sign(body: Body, spec: dict) -> list[float]:
    sizes = [spec["block"]] * (NUMEL // spec["block"]) if spec["block"] else [s for s in SIZES if s]
    if sum(sizes) < NUMEL:
        sizes.append(NUMEL - sum(sizes))
    scales = body.numbers(f"{len(sizes)}f")
    each = [scale for scale, size in zip(scales, sizes, strict=True) for _ in range(size)]
    return [-s if bit else s for s, bit in zip(each, body.packed(NUMEL, 1), strict=True)]


DECODERS = {"sign": sign}
