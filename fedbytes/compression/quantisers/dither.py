"""Dither that both ends share: common to the senders of a round, and folded to one sign.

Uniform noise v in [-0.5, 0.5), added before rounding and subtracted after, makes the error uniform
and independent of the vector (subtractive dither, Schuchman 1964). Given v the symbols are skewed,
towards +1 for v > 0 and -1 for v < 0. Mirroring the coordinates with v < 0 skews all symbols the
same way, so that the entropy coder's frequencies capture the skew: 0.14 bit per coordinate less at
1.2 bit on a Gaussian.
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
    """Return this sender's dither, float32 [numel], uniform in [-0.5, 0.5).

    Sender p adds the radical inverse of p in base 2 (van der Corput 1935) to noise that all
    senders share, modulo 1. Any 2^m senders that differ in the last m bits of p, such as
    consecutive ones, are evenly spaced at each coordinate; each alone is uniform.
    """
    noise = shared.common_generator(purpose).random(shared.layout.numel, np.float32)
    index = shared.sender if shared.place is None else shared.place
    # Bits reversed are the radical inverse: consecutive senders land far apart, all gaps equal.
    shift = np.int32(int(f"{index & DITHER_MASK:0{DITHER_BITS}b}"[::-1], 2))
    shift_mod_1(noise, shift)
    return noise


def fold_signs(x: Floats, dither: Floats) -> Floats:
    """Return x with the sign flipped where the dither is negative."""
    # A float's sign is its highest bit, so exclusive or multiplies by -1 without a branch.
    turned = dither.view(np.uint32) & SIGN
    turned ^= x.view(np.uint32)
    return turned.view(np.float32)


def unfold_signs(y: Floats, dither: Floats, step: float) -> Floats:
    """Return (y - |dither|) * step with the sign flips undone, in the memory of y."""
    subtract_dither(y, dither, np.float32(step))
    return y
