"""NormalFloat 4 and the 8-bit dynamic map for its scales, value for value as bitsandbytes has them.

Dettmers et al. 2023 (QLoRA) and Dettmers 2016 (8-bit dynamic data type). bitsandbytes itself is
not needed; the tests compare with it.
"""

import functools

import numpy as np
import numpy.typing as npt

from .core import Floats
from .kernels import kernel

SCALE_GROUP = 256
_LARGEST = np.finfo(np.float32).max
_SMALLEST = np.float32(1e-38)

TABLE = np.array(
    [
        -1.0,
        -0.6961928009986877,
        -0.5250730514526367,
        -0.39491748809814453,
        -0.28444138169288635,
        -0.18477343022823334,
        -0.09105003625154495,
        0.0,
        0.07958029955625534,
        0.16093020141124725,
        0.24611230194568634,
        0.33791524171829224,
        0.44070982933044434,
        0.5626170039176941,
        0.7229568362236023,
        1.0,
    ],
    np.float32,
)
_BOUNDS = (TABLE[:-1] + TABLE[1:]) / np.float32(2)


def quantise(x: Floats, block: int) -> tuple[Floats, npt.NDArray[np.uint8]]:
    """Return the largest magnitude of each block and the 4-bit codes of finite x [n]."""
    largest = np.empty(-(-x.size // block), np.float32)
    codes = np.empty(x.size, np.uint8)
    _quantise(x, x.view(np.int32), block, _BOUNDS, largest, codes)
    return largest, codes


def dequantise(largest: Floats, codes: npt.NDArray[np.uint8], block: int) -> Floats:
    """Return TABLE[code] * largest for each coordinate."""
    y = np.empty(codes.size, np.float32)
    _dequantise(largest, codes, block, TABLE, y)
    return y


def quantise_scales(scales: Floats) -> tuple[np.float32, Floats, npt.NDArray[np.uint8]]:
    """Return the mean of the scales, and what is left in 8-bit dynamic codes by groups of 256."""
    mean = np.float32(scales.mean(dtype=np.float64)) if scales.size else np.float32(0)
    rest = scales - mean
    tops = np.maximum.reduceat(np.abs(rest), np.arange(0, rest.size, SCALE_GROUP))
    spread = np.repeat(np.maximum(tops, _SMALLEST), SCALE_GROUP)[: rest.size]
    # bitsandbytes' CPU code looks the nearest code up on a grid of 16 bits.
    grid = np.rint((rest / spread + np.float32(1)).astype(np.float64) / 2 * 65535) / 65535 * 2 - 1
    table = dynamic_map().astype(np.float64)
    codes = np.searchsorted((table[:-1] + table[1:]) / 2, grid).astype(np.uint8)
    return mean, tops, codes


def dequantise_scales(mean: np.float32, tops: Floats, codes: npt.NDArray[np.uint8]) -> Floats:
    """Return the scales that `quantise_scales` coded; finite."""
    rest = dynamic_map()[codes] * np.repeat(tops, SCALE_GROUP)[: codes.size]
    with np.errstate(over="ignore"):
        scales: Floats = np.clip(rest + mean, -_LARGEST, _LARGEST)
    return scales


@functools.cache
def dynamic_map() -> Floats:
    """Return the 256 ascending values of the signed 8-bit dynamic data type.

    Seven decades below 1; decade i (from the smallest) has 2^i values of either sign, at the
    middles of equal parts of [0.1, 1]; then 0 and 1.
    """
    values = [0.0, 1.0]
    for decade in range(7):
        parts = 1 << decade
        edges = _linspace(parts)
        middles = np.float32(10.0 ** (decade - 6)) * ((edges[:-1] + edges[1:]) / np.float32(2))
        values += [*middles.tolist(), *(-middles).tolist()]
    return np.sort(np.array(values, np.float32))


def _linspace(parts: int) -> Floats:
    """Return parts + 1 edges of [0.1, 1], counted from the nearer end by a float32 step."""
    first, last = np.float32(0.1), np.float32(1)
    step = np.float64((last - first) / np.float32(parts))
    place = np.arange(parts + 1)
    near, far = first + step * place, last - step * (parts - place)
    return np.where(place <= parts // 2, near, far).astype(np.float32)


def _quantise_numpy(
    x: Floats,
    bits: npt.NDArray[np.int32],
    block: int,
    bounds: Floats,
    largest: Floats,
    codes: npt.NDArray[np.uint8],
) -> None:
    if x.size == 0:
        return
    largest[:] = np.maximum.reduceat(np.abs(x), np.arange(0, x.size, block))
    full = x.size // block * block
    safe = np.maximum(largest, _SMALLEST)
    scaled = x * np.repeat(np.float32(1) / safe, block)[: x.size]
    scaled[full:] = x[full:] / safe[-1]
    codes[:] = np.searchsorted(bounds, scaled)


def _dequantise_numpy(
    largest: Floats, codes: npt.NDArray[np.uint8], block: int, table: Floats, y: Floats
) -> None:
    y[:] = table[codes]
    y *= np.repeat(largest, block)[: y.size]


@kernel(_quantise_numpy)
def _quantise(x, bits, block, bounds, largest, codes):  # type: ignore[no-untyped-def]
    for b in range(largest.size):
        part, pattern = x[b * block : b * block + block], bits[b * block : b * block + block]
        out = codes[b * block : b * block + block]
        top = np.int32(0)
        for i in range(pattern.size):
            magnitude = np.int32(pattern[i] & np.int32(0x7FFFFFFF))
            top = magnitude if magnitude > top else top
        peak = np.int32(top).view(np.float32)
        largest[b] = peak
        safe = peak if peak > _SMALLEST else _SMALLEST
        if part.size == block:
            inverse = np.float32(1) / safe
            for i in range(part.size):
                scaled = part[i] * inverse
                code = np.uint8(0)
                for j in range(15):
                    code += np.uint8(scaled > bounds[j])
                out[i] = code
        else:  # bitsandbytes divides in a short last block
            for i in range(part.size):
                scaled = part[i] / safe
                code = np.uint8(0)
                for j in range(15):
                    code += np.uint8(scaled > bounds[j])
                out[i] = code


@kernel(_dequantise_numpy)
def _dequantise(largest, codes, block, table, y):  # type: ignore[no-untyped-def]
    for b in range(largest.size):
        peak = largest[b]
        part, out = codes[b * block : b * block + block], y[b * block : b * block + block]
        for i in range(part.size):
            out[i] = table[part[i]] * peak
