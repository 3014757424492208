"""Dither that both ends know: drawn in common by a round's senders, and folded to one sign.

Adding uniform noise v in [-0.5, 0.5) before rounding and subtracting it after makes the error
uniform and independent of the vector (subtractive dither, Schuchman 1964). Given v the symbols
are skewed, towards +1 for v > 0 and -1 for v < 0; an entropy coder that does not know it pays
for that. Mirroring the coordinates with v < 0 makes all skew the same way, which the plain
frequencies of the symbols then hold: 0.14 bit a coordinate less at 1.2 bit on a Gaussian.
"""

import numpy as np

from fedbytes.arrays import Floats
from fedbytes.compression.layout import Shared
from fedbytes.compression.quantisers.loops.dither_loops import (
    DITHER_BITS,
    DITHER_MASK,
    SIGN,
    shift_mod_1,
    subtract_dither,
)


def common_dither(shared: Shared, purpose: str) -> Floats:
    """Return this sender's part of the round's dither, float32 [numel], uniform in [-0.5, 0.5).

    Sender p adds the radical inverse of p in base 2 (van der Corput 1935) to noise that all
    share, modulo 1. So any 2^m senders whose places differ in the last m bits are spaced evenly
    at each coordinate, consecutive ones among them, while each by itself is uniform.
    """
    noise = shared.common_generator(purpose).random(shared.layout.numel, np.float32)
    place = shared.sender if shared.place is None else shared.place
    shift = np.int32(int(f"{place & DITHER_MASK:0{DITHER_BITS}b}"[::-1], 2))
    shift_mod_1(noise, shift)
    return noise


def fold_signs(x: Floats, dither: Floats) -> Floats:
    """Return x with the sign turned where the dither is negative."""
    turned = dither.view(np.uint32) & SIGN
    turned ^= x.view(np.uint32)
    return turned.view(np.float32)


def unfold_signs(y: Floats, dither: Floats, step: float) -> Floats:
    """Return (y - |dither|) * step with signs turned back, in y's memory."""
    subtract_dither(y, dither, np.float32(step))
    return y
