"""Blocks rounded to integers of the block's peak, and scaled again."""

import numpy as np

from fedbytes.arrays import Floats, Int8s, Int32s
from fedbytes.compression.numerics.kernels import kernel

_TINY = np.float32(2.0**-62)
_BOOST = np.float32(2.0**64)


def _scaled(x: Floats, block: int, divisor: int, peaks: Floats) -> tuple[Floats, int, int]:
    """Set the peaks; return x * divisor / peak, and the lowest and highest code."""
    starts = np.arange(0, x.size, block)
    peaks[:] = np.maximum.reduceat(np.abs(x), starts) if x.size else 0
    if divisor < 0 and x.size:
        peaks[np.maximum.reduceat(x, starts) != peaks] *= -1
    tiny = np.abs(peaks) < _TINY
    # The inverse of a peak below 2^-62 would overflow: its block is scaled up by 2^64 first.
    boost = np.where(tiny, _BOOST, np.float32(1))
    with np.errstate(divide="ignore"):
        inverse = np.float32(divisor) / (peaks * boost)
    inverse[peaks == 0] = 0
    scaled = x * np.repeat(boost, block)[: x.size] * np.repeat(inverse, block)[: x.size]
    return scaled, -abs(divisor), -divisor - 1 if divisor < 0 else divisor


def _round_blocks_numpy(
    x: Floats,
    bits: Int32s,
    noise: Floats,
    block: int,
    divisor: int,
    peaks: Floats,
    codes: Int8s,
) -> None:
    scaled, low, high = _scaled(x, block, divisor, peaks)
    rounded = np.floor(scaled + noise) if noise.size else np.rint(scaled)
    codes[:] = np.clip(rounded, low, high)


def _scale_codes_numpy(
    peaks: Floats, codes: Int8s, block: int, divisor: np.float32, y: Floats
) -> None:
    np.divide(codes, divisor, out=y, dtype=np.float32)
    y *= np.repeat(peaks, block)[: codes.size]


@kernel(_round_blocks_numpy)
def round_blocks(x, bits, noise, block, divisor, peaks, codes):
    """Write the peak of each block, and codes rounded to nearest or, if given, by noise."""
    # int32 and slices are spelled out because numba vectorises the loops only then.
    high = np.float32(-divisor - 1 if divisor < 0 else divisor)
    low = np.float32(-abs(divisor))
    for b in range(peaks.size):
        part, pattern = x[b * block : b * block + block], bits[b * block : b * block + block]
        out, dither = codes[b * block : b * block + block], noise[b * block : b * block + block]
        largest = np.int32(0)  # of the magnitudes' bit patterns, which sort like the values
        positive = np.int32(0)
        for i in range(pattern.size):
            value = pattern[i]
            magnitude = np.int32(value & np.int32(0x7FFFFFFF))
            largest = magnitude if magnitude > largest else largest
            positive = value if value > positive else positive
        peak = np.int32(largest).view(np.float32)
        # As in the twin: the inverse of a tiny peak would overflow.
        boost = _BOOST if peak < _TINY else np.float32(1)
        if divisor < 0 and positive != largest:
            peak = -peak
        peaks[b] = peak
        inverse = np.float32(0)
        if peak != 0:
            inverse = np.float32(divisor) / (peak * boost)
        if dither.size:
            for i in range(part.size):
                code = np.floor(part[i] * boost * inverse + dither[i])
                code = low if code < low else code
                code = high if code > high else code
                out[i] = np.int8(np.int32(code))
        else:
            for i in range(part.size):
                code = np.rint(part[i] * boost * inverse)
                code = low if code < low else code
                code = high if code > high else code
                out[i] = np.int8(np.int32(code))


@kernel(_scale_codes_numpy)
def scale_codes(peaks, codes, block, divisor, y):
    """Write fl(code / divisor) times the peak of its block."""
    for b in range(peaks.size):
        peak = peaks[b]
        part, out = codes[b * block : b * block + block], y[b * block : b * block + block]
        for i in range(part.size):
            out[i] = np.float32(part[i]) / divisor * peak
