"""docs/wire/casts.md in plain Python."""

import itertools
import math
import struct

import numpy as np

from plain.core import NUMEL, Body

NF4 = [-1, -0.6961928, -0.52507305, -0.3949175, -0.28444138, -0.18477343, -0.091050036, 0]
NF4 += [0.0795803, 0.1609302, 0.2461123, 0.33791524, 0.44070983, 0.562617, 0.72295684, 1]
FP4 = [-12, -8, -6, -4, -3, -2, -0.0625, 0, 0, 0.0625, 2, 3, 4, 6, 8, 12]
TABLES = {
    "nf4": [np.float32(level) for level in NF4],
    "fp4": [np.float32(level) / np.float32(12) for level in FP4],
}
LARGEST = np.finfo(np.float32).max


def fp32(body: Body, spec: dict, numel: int = NUMEL) -> list[float]:
    return list(body.numbers(f"{numel}f"))


def bf16(body: Body, spec: dict, numel: int = NUMEL) -> list[float]:
    return [struct.unpack("<f", b"\0\0" + body.take(2))[0] for _ in range(numel)]


def fp16(body: Body, spec: dict) -> list[float]:
    return list(body.numbers(f"{NUMEL}e"))


def fp8(body: Body, spec: dict) -> list[float]:
    size = spec["block"]
    exponent_bits, mantissa_bits, bias = {"e4m3": (4, 3, 134), "e5m2": (5, 2, 142)}[spec["format"]]
    scales = [2.0 ** (byte - bias) for byte in body.take(-(-NUMEL // size))]
    out = []
    for i, byte in enumerate(body.take(NUMEL)):
        exponent, mantissa = divmod(byte & 127, 2**mantissa_bits)
        lead, power = (1, exponent) if exponent else (0, 1)
        value = (lead + mantissa / 2**mantissa_bits) * 2.0 ** (power + 1 - 2 ** (exponent_bits - 1))
        out.append(math.copysign(value, -1 if byte & 128 else 1) * scales[i // size])
    return out


def blocks(body: Body, spec: dict, numel: int = NUMEL) -> list[float]:
    bits, size = spec["bits"], spec["block"]
    divisor = -(2 ** (bits - 1)) if spec["rounding"] == "nearest" else 2 ** (bits - 1) - 1
    if "scale" in spec:
        unit = spec["scale"] / divisor
        signed = [c - (c >> bits - 1 << bits) for c in body.packed(numel, bits)]
        return [float(np.float32(code * unit)) for code in signed]
    peaks = body.numbers(f"{-(-numel // size)}f")
    codes = [c - (c >> bits - 1 << bits) for c in body.packed(numel, bits)]
    return [
        float(np.float32(np.float32(code) / np.float32(divisor)) * np.float32(peaks[i // size]))
        for i, code in enumerate(codes)
    ]


def fixed(body: Body, spec: dict, numel: int = NUMEL) -> list[float]:
    middle = 2 ** (spec["bits"] - 1) - 1
    step = spec["clip"] / middle
    return [float(np.float32((c - middle) * step)) for c in body.packed(numel, spec["bits"])]


def dynamic_map() -> list[np.float32]:
    first, step = np.float32(0.1), np.float32(1) - np.float32(0.1)
    values = [np.float32(0), np.float32(1)]
    for i in range(7):
        parts = 2**i
        width = float(step / np.float32(parts))
        edges = [
            np.float32(float(first) + width * k if k <= parts // 2 else 1 - width * (parts - k))
            for k in range(parts + 1)
        ]
        for low, high in itertools.pairwise(edges):
            middle = np.float32(10.0 ** (i - 6)) * ((low + high) / np.float32(2))
            values += [middle, -middle]
    return sorted(values)


def four_bit(body: Body, spec: dict) -> list[float]:
    size, count = spec["block"], -(-NUMEL // spec["block"])
    if spec["double_quant"]:
        (mean,) = body.numbers("f")
        tops, levels = body.numbers(f"{-(-count // 256)}f"), dynamic_map()
        scales = [
            min(
                max(levels[code] * np.float32(tops[b // 256]) + np.float32(mean), -LARGEST), LARGEST
            )
            for b, code in enumerate(body.take(count))
        ]
    else:
        scales = [np.float32(scale) for scale in body.numbers(f"{count}f")]
    table = TABLES[spec["name"]]
    return [float(table[c] * scales[i // size]) for i, c in enumerate(body.packed(NUMEL, 4))]


DECODERS = {
    "fp32": fp32,
    "bf16": bf16,
    "fp16": fp16,
    "fp8": fp8,
    "int": blocks,
    "fixed": fixed,
    "nf4": four_bit,
    "fp4": four_bit,
}
