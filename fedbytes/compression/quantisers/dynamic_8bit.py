"""The signed 8-bit dynamic data type for scales, with the values of bitsandbytes' CPU code.

Dettmers 2016 (arXiv 1511.04561), as QLoRA (Dettmers et al. 2023, arXiv 2305.14314) uses it for
double quantisation. bitsandbytes itself is not needed; the tests compare with it.
"""

import functools

import numpy as np

from fedbytes.arrays import LARGEST_FLOAT, Floats, UInt8s

SCALE_GROUP = 256
_SMALLEST = np.float32(1e-38)


def quantise_scales(scales: Floats) -> tuple[np.float32, Floats, UInt8s]:
    """Return the mean of the scales, and the peaks and 8-bit codes of the rest, by groups of 256.

    Given the same mean, codes equal those of bitsandbytes. Its own mean is torch's float32 sum,
    whose last bit depends on threads and vector width; here the sum is in float64.
    """
    mean = np.float32(scales.mean(dtype=np.float64)) if scales.size else np.float32(0)
    rest = scales - mean
    tops = np.maximum.reduceat(np.abs(rest), np.arange(0, rest.size, SCALE_GROUP))
    peaks = np.repeat(np.maximum(tops, _SMALLEST), SCALE_GROUP)[: rest.size]
    # As in bitsandbytes' CPU code, the nearest code is looked up on a grid of 16 bits.
    grid = np.rint((rest / peaks + np.float32(1)).astype(np.float64) / 2 * 65535) / 65535 * 2 - 1
    table = dynamic_map().astype(np.float64)
    codes = np.searchsorted((table[:-1] + table[1:]) / 2, grid).astype(np.uint8)
    return mean, tops, codes


def dequantise_scales(mean: np.float32, tops: Floats, codes: UInt8s) -> Floats:
    """Return the scales of `quantise_scales`, clipped to finite values."""
    rest = dynamic_map()[codes] * np.repeat(tops, SCALE_GROUP)[: codes.size]
    with np.errstate(over="ignore"):
        scales: Floats = np.clip(rest + mean, -LARGEST_FLOAT, LARGEST_FLOAT)
    return scales


@functools.cache
def dynamic_map() -> Floats:
    """Return the 256 ascending values of the signed 8-bit dynamic data type.

    Decade i of seven below 1, from the smallest, has 2^i values of either sign, at the middles of
    equal parts of [0.1, 1]; then come 0 and 1.
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
    edge = np.arange(parts + 1)
    near, far = first + step * edge, last - step * (parts - edge)
    return np.where(edge <= parts // 2, near, far).astype(np.float32)
