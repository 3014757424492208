"""Vectors of extreme magnitude brought near 1 by a power of two, which is exact and undone."""

import math

import numpy as np

from fedbytes.arrays import CHUNK, LARGEST_FLOAT, Doubles, Floats
from fedbytes.compression.numerics.kernels import kernel

EXPONENTS = (-149, 128)
_EASY = 60
_LANES = 32  # sums that are added to in turn


def normalise(x: Floats) -> tuple[Floats, int]:
    """Return x * 2^-e and e, where e is 0 unless x's largest magnitude is beyond 2^±60."""
    top = max(float(x.max()), -float(x.min())) if x.size else 0.0
    exponent = math.frexp(top)[1]
    if abs(exponent) <= _EASY:
        return x, 0
    return np.ldexp(x.astype(np.float64), -exponent).astype(np.float32), exponent


def restore(y: Floats, exponent: int) -> Floats:
    """Return y * 2^e in place, kept within float32's finite range."""
    if exponent == 0:
        return y
    for start in range(0, y.size, CHUNK):
        wide = np.ldexp(y[start : start + CHUNK].astype(np.float64), exponent)
        y[start : start + CHUNK] = np.clip(wide, -LARGEST_FLOAT, LARGEST_FLOAT)
    return y


def energy(x: Floats) -> float:
    """Return the sum of squares in double precision, added in one order on every platform."""
    sums = np.zeros(_LANES, np.float64)
    whole = x.size // _LANES * _LANES
    _squares(x[:whole], sums)
    total: float = sum(sums.tolist())
    return total + sum(float(value) ** 2 for value in x[whole:])


def round_step(step: float) -> float:
    """Return a positive step rounded to 12 bits, so that its last bits depend on no platform."""
    mantissa, exponent = math.frexp(step)
    return math.ldexp(round(mantissa * 4096) / 4096, exponent)


def _squares_numpy(x: Floats, sums: Doubles) -> None:
    for start in range(0, x.size, CHUNK):
        part = x[start : start + CHUNK].astype(np.float64).reshape(-1, sums.size)
        part *= part
        part[0] += sums
        sums[:] = np.add.accumulate(part, axis=0)[-1]


@kernel(_squares_numpy)
def _squares(x, sums):  # type: ignore[no-untyped-def]
    lanes = sums.size
    for start in range(0, x.size, lanes):
        row = x[start : start + lanes]
        for lane in range(lanes):
            wide = np.float64(row[lane])
            sums[lane] += wide * wide
