"""Blocks of coordinates on a uniform grid that is scaled by the block's peak."""

import numpy as np

from fedbytes.arrays import Floats, Int8s
from fedbytes.compression.codecs.int.loops import (
    round_blocks,
    scale_codes,
)


def quantise_blocks(
    x: Floats, block: int, divisor: int, noise: Floats | None = None
) -> tuple[Floats, Int8s]:
    """Return the peak of each block and the codes, code ≈ x * divisor / peak.

    Args:
        x: finite float32 [n].
        block: coordinates per block; the last may be shorter.
        divisor: the code of the peak, -128 to 127. If negative, the peak keeps its sign, and
            codes go from divisor to -divisor - 1; if positive, the peak is a magnitude, and
            codes go from -divisor to divisor.
        noise: float32 [n] in [0, 1) for stochastic rounding, or None for nearest even.
    """
    blocks = -(-x.size // block)
    peaks = np.empty(blocks, np.float32)
    codes = np.empty(x.size, np.int8)
    dither = np.empty(0, np.float32) if noise is None else noise
    round_blocks(x, x.view(np.int32), dither, block, divisor, peaks, codes)
    return peaks, codes


def dequantise_blocks(peaks: Floats, codes: Int8s, block: int, divisor: int) -> Floats:
    """Return fl(code / divisor) * peak for each coordinate."""
    y = np.empty(codes.size, np.float32)
    scale_codes(peaks, codes, block, np.float32(divisor), y)
    return y
