"""Blocks of coordinates on a uniform grid scaled by the block's peak, as numba loops or numpy."""

import numpy as np

from fedbytes.arrays import Floats, Int8s, Int32s
from fedbytes.compression.numerics.kernels import kernel

_TINY = np.float32(2.0**-62)
_BOOST = np.float32(2.0**64)


def quantise_blocks(
    x: Floats, block: int, divisor: int, noise: Floats | None = None
) -> tuple[Floats, Int8s]:
    """Return the peak of each block and the codes, code ≈ x * divisor / peak.

    Args:
        x: finite float32 [n].
        block: coordinates a block; the last may be shorter.
        divisor: the code of the peak, -128 to 127. A negative one keeps the peak's sign with it
            and allows codes from divisor to -divisor - 1; a positive one takes the magnitude
            and allows -divisor to divisor.
        noise: float32 [n] in [0, 1) for stochastic rounding, or None for nearest even.
    """
    blocks = -(-x.size // block)
    peaks = np.empty(blocks, np.float32)
    codes = np.empty(x.size, np.int8)
    if noise is None:
        _nearest(x, x.view(np.int32), block, divisor, peaks, codes)
    else:
        _stochastic(x, x.view(np.int32), noise, block, divisor, peaks, codes)
    return peaks, codes


def dequantise_blocks(peaks: Floats, codes: Int8s, block: int, divisor: int) -> Floats:
    """Return fl(code / divisor) * peak for each coordinate."""
    y = np.empty(codes.size, np.float32)
    _dequantise(peaks, codes, block, np.float32(divisor), y)
    return y


def _scaled(x: Floats, block: int, divisor: int, peaks: Floats) -> tuple[Floats, int, int]:
    """Fill the peaks and return x * divisor / peak, with the lowest and highest code."""
    starts = np.arange(0, x.size, block)
    peaks[:] = np.maximum.reduceat(np.abs(x), starts) if x.size else 0
    if divisor < 0 and x.size:
        peaks[np.maximum.reduceat(x, starts) != peaks] *= -1
    tiny = np.abs(peaks) < _TINY
    boost = np.where(tiny, _BOOST, np.float32(1))
    with np.errstate(divide="ignore"):
        inverse = np.float32(divisor) / (peaks * boost)
    inverse[peaks == 0] = 0
    scaled = x * np.repeat(boost, block)[: x.size] * np.repeat(inverse, block)[: x.size]
    return scaled, -abs(divisor), -divisor - 1 if divisor < 0 else divisor


def _nearest_numpy(
    x: Floats, bits: Int32s, block: int, divisor: int, peaks: Floats, codes: Int8s
) -> None:
    scaled, low, high = _scaled(x, block, divisor, peaks)
    codes[:] = np.clip(np.rint(scaled), low, high)


def _stochastic_numpy(
    x: Floats,
    bits: Int32s,
    noise: Floats,
    block: int,
    divisor: int,
    peaks: Floats,
    codes: Int8s,
) -> None:
    scaled, low, high = _scaled(x, block, divisor, peaks)
    codes[:] = np.clip(np.floor(scaled + noise), low, high)


def _dequantise_numpy(
    peaks: Floats, codes: Int8s, block: int, divisor: np.float32, y: Floats
) -> None:
    np.divide(codes, divisor, out=y, dtype=np.float32)
    y *= np.repeat(peaks, block)[: codes.size]


# The loops spell out int32 and slices because numba vectorises them only then; the search for the
# peak is repeated because a shared helper would be compiled, and cached, on its own.


@kernel(_nearest_numpy)
def _nearest(x, bits, block, divisor, peaks, codes):  # type: ignore[no-untyped-def]
    high = np.float32(-divisor - 1 if divisor < 0 else divisor)
    low = np.float32(-abs(divisor))
    for b in range(peaks.size):
        part, pattern = x[b * block : b * block + block], bits[b * block : b * block + block]
        out = codes[b * block : b * block + block]
        largest = np.int32(0)  # of the magnitudes' bit patterns, which sort like the values
        positive = np.int32(0)
        for i in range(pattern.size):
            value = pattern[i]
            magnitude = np.int32(value & np.int32(0x7FFFFFFF))
            largest = magnitude if magnitude > largest else largest
            positive = value if value > positive else positive
        peak = np.int32(largest).view(np.float32)
        boost = _BOOST if peak < _TINY else np.float32(1)
        if divisor < 0 and positive != largest:
            peak = -peak
        peaks[b] = peak
        inverse = np.float32(0)
        if peak != 0:
            inverse = np.float32(divisor) / (peak * boost)
        for i in range(part.size):
            code = np.rint(part[i] * boost * inverse)
            code = low if code < low else code
            code = high if code > high else code
            out[i] = np.int8(np.int32(code))


@kernel(_stochastic_numpy)
def _stochastic(x, bits, noise, block, divisor, peaks, codes):  # type: ignore[no-untyped-def]
    high = np.float32(-divisor - 1 if divisor < 0 else divisor)
    low = np.float32(-abs(divisor))
    for b in range(peaks.size):
        part, pattern = x[b * block : b * block + block], bits[b * block : b * block + block]
        out, dither = codes[b * block : b * block + block], noise[b * block : b * block + block]
        largest = np.int32(0)
        positive = np.int32(0)
        for i in range(pattern.size):
            value = pattern[i]
            magnitude = np.int32(value & np.int32(0x7FFFFFFF))
            largest = magnitude if magnitude > largest else largest
            positive = value if value > positive else positive
        peak = np.int32(largest).view(np.float32)
        boost = _BOOST if peak < _TINY else np.float32(1)
        if divisor < 0 and positive != largest:
            peak = -peak
        peaks[b] = peak
        inverse = np.float32(0)
        if peak != 0:
            inverse = np.float32(divisor) / (peak * boost)
        for i in range(part.size):
            code = np.floor(part[i] * boost * inverse + dither[i])
            code = low if code < low else code
            code = high if code > high else code
            out[i] = np.int8(np.int32(code))


@kernel(_dequantise_numpy)
def _dequantise(peaks, codes, block, divisor, y):  # type: ignore[no-untyped-def]
    for b in range(peaks.size):
        peak = peaks[b]
        part, out = codes[b * block : b * block + block], y[b * block : b * block + block]
        for i in range(part.size):
            out[i] = np.float32(part[i]) / divisor * peak
