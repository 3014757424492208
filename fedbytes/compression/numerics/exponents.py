"""Vectors of extreme magnitude scaled near 1 by a power of two, which is exact and reversible."""

import math

import numpy as np

from fedbytes.arrays import CHUNK, LARGEST_FLOAT, Floats

EXPONENTS = (-149, 128)
_EASY_EXPONENT = 60


def split_exponent(x: Floats) -> tuple[Floats, int]:
    """Return x * 2^-e and e; e is 0 unless the largest magnitude of x is beyond 2^±60."""
    top = max(float(x.max()), -float(x.min())) if x.size else 0.0
    exponent = math.frexp(top)[1]
    # Within it, sums of squares and rotations stay finite and normal in float32 as they are.
    if abs(exponent) <= _EASY_EXPONENT:
        return x, 0
    return np.ldexp(x.astype(np.float64), -exponent).astype(np.float32), exponent


def apply_exponent(y: Floats, exponent: int) -> Floats:
    """Return y * 2^e in place, clipped to the finite range of float32."""
    if exponent == 0:
        return y
    for start in range(0, y.size, CHUNK):
        # In float64: in float32 an intermediate value could overflow, or lose bits as a denormal.
        wide = np.ldexp(y[start : start + CHUNK].astype(np.float64), exponent)
        y[start : start + CHUNK] = np.clip(wide, -LARGEST_FLOAT, LARGEST_FLOAT)
    return y
