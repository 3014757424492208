"""docs/wire/casts.md in plain Python."""

import numpy as np

from plain.core import NUMEL, Body


def blocks(body: Body, spec: dict) -> list[float]:
    bits, size = spec["bits"], spec["block"]
    divisor = -(2 ** (bits - 1)) if spec["rounding"] == "nearest" else 2 ** (bits - 1) - 1
    peaks = body.numbers(f"{-(-NUMEL // size)}f")
    codes = [c - (c >> bits - 1 << bits) for c in body.packed(NUMEL, bits)]
    return [
        float(np.float32(np.float32(code) / np.float32(divisor)) * np.float32(peaks[i // size]))
        for i, code in enumerate(codes)
    ]


DECODERS = {"int": blocks}
