"""docs/wire/rotated.md in plain Python."""

import math
import struct

import numpy as np

from fedbytes.compression.codecs.quicfl import _TABLES as ENTRIES
from plain.core import NUMEL, Body, generator
from plain.sparse import indices

P = 128  # the largest power of two that is at most NUMEL
SCALE = np.float32(math.sqrt(1 / P))
LEVELS = {
    0: [0],
    1: [6536],
    2: [3709, 12373],
    3: [2008, 6193, 11009, 17629],
    4: [1052, 3179, 5380, 7720, 10291, 13255, 16949, 22385],
}
THC_TABLES = {
    (4, 30): [-30, -22, -18, -14, -10, -6, -4, -2, 2, 4, 6, 10, 14, 18, 22, 30],
    (2, 12): [-12, -2, 2, 12],
}


def hadamard(z: list[np.float32]) -> list[np.float32]:
    left = P
    while left >= 4:
        q, out = P // 4, z[:]
        for i in range(q):
            a, b, c, d = z[4 * i : 4 * i + 4]
            e, f, g, h = a + b, a - b, c + d, c - d
            out[i], out[q + i], out[2 * q + i], out[3 * q + i] = e + g, f + h, e - g, f - h
        z, left = out, left // 4
    if left == 2:
        z = [a + b for a, b in zip(z[::2], z[1::2], strict=True)] + [
            a - b for a, b in zip(z[::2], z[1::2], strict=True)
        ]
    return z


def rotate_back(y: list[np.float32], random: np.random.Generator) -> list[np.float32]:
    starts = [0, NUMEL - P, 0, NUMEL - P]
    raw = random.bit_generator.random_raw(4 * P // 64).tolist()
    words = [half for word in raw for half in (word % 2**32, word >> 32)]
    width = P // 32
    for k in (3, 2, 1, 0):
        row = words[k * width : (k + 1) * width]
        z = hadamard(y[starts[k] : starts[k] + P])
        signs = [-1 if row[j % width] >> j // width & 1 else 1 for j in range(P)]
        y[starts[k] : starts[k] + P] = [
            v * SCALE * np.float32(sign) for v, sign in zip(z, signs, strict=True)
        ]
    return y


def eden(body: Body, spec: dict) -> list[float]:
    (exponent,) = body.numbers("h")
    scales = body.numbers("2f")
    bits, groups = spec.get("bits", 1), [range(NUMEL - P), range(NUMEL - P, NUMEL)]
    width, y = math.floor(bits), [np.float32(0)] * NUMEL
    fine = [math.ceil((bits - width) * len(group)) for group in groups]
    for part, size in ((0, width + 1), (1, width)):
        runs = [(g[:k], g[k:])[part] for g, k in zip(groups, fine, strict=True)]
        codes = body.packed(sum(map(len, runs)), size)
        for run, scale in zip(runs, scales, strict=True):
            for place in run:
                code = codes.pop(0)
                level = np.float32(LEVELS[size][code // 2] / 8192 * (-1 if code % 2 else 1))
                y[place] = level * np.float32(scale)
    random = generator(f"codec/{spec['name']}")
    return [float(v) * 2.0**exponent for v in rotate_back(y, random)]


def quicfl(body: Body, spec: dict) -> list[float]:
    (exponent,) = body.numbers("h")
    scales = body.numbers("2f")
    codes = body.packed(NUMEL, spec["bits"])
    k = body.count()
    places = indices(body, k, NUMEL)
    values = [struct.unpack("<f", b"\0\0" + body.take(2))[0] for _ in range(k)]
    size, columns = 128 >> spec["bits"], 1 << spec["bits"]
    half = [ENTRIES[spec["bits"]][i : i + columns] for i in range(0, 64, columns)]
    table = [*half, *[[-entry for entry in row[::-1]] for row in half[::-1]]]
    raw = generator("codec/quicfl/rows").bit_generator.random_raw((NUMEL + 7) // 8).tolist()
    rows = [byte % size for word in raw for byte in word.to_bytes(8, "little")]
    y = [
        np.float32(table[rows[i]][code] / 4096) * np.float32(scales[i >= NUMEL - P])
        for i, code in enumerate(codes)
    ]
    for place, value in zip(places, values, strict=True):
        y[place] = np.float32(value)
    return [float(v) * 2.0**exponent for v in rotate_back(y, generator("codec/quicfl"))]


def thc(body: Body, spec: dict) -> list[float]:
    if "unit" in spec:
        table = THC_TABLES[spec["bits"], spec["granularity"]]
        y = [np.float32(table[code] * spec["unit"]) for code in body.packed(NUMEL, spec["bits"])]
        return [float(v) for v in rotate_back(y, generator("codec-common/thc"))]
    (exponent,) = body.numbers("h")
    units = [
        (8 + (code - 1) % 8) * 2.0 ** ((code - 1) // 8 - 120) if code else 0.0
        for code in body.numbers("2H")
    ]
    table = THC_TABLES[spec["bits"], spec["granularity"]]
    y = [
        np.float32(table[code] * units[i >= NUMEL - P])
        for i, code in enumerate(body.packed(NUMEL, spec["bits"]))
    ]
    return [float(v) * 2.0**exponent for v in rotate_back(y, generator("codec-common/thc"))]


DECODERS = {"drive": eden, "eden": eden, "quicfl": quicfl, "thc": thc}
