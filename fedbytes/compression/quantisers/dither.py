"""Dither that both ends know: drawn in common by a round's senders, and folded to one sign.

Adding uniform noise v in [-0.5, 0.5) before rounding and subtracting it after makes the error
uniform and independent of the vector (subtractive dither, Schuchman 1964). Given v the symbols
are skewed, towards +1 for v > 0 and -1 for v < 0; an entropy coder that does not know it pays
for that. Mirroring the coordinates with v < 0 makes all skew the same way, which the plain
frequencies of the symbols then hold: 0.14 bit a coordinate less at 1.2 bit on a Gaussian.
"""

import numpy as np

from fedbytes.arrays import CHUNK, Floats
from fedbytes.compression.layout import Shared
from fedbytes.compression.numerics.kernels import kernel

_BITS = 24
_MASK = (1 << _BITS) - 1
_SIGN = np.uint32(0x80000000)


def common_dither(shared: Shared, purpose: str) -> Floats:
    """Return this sender's part of the round's dither, float32 [numel], uniform in [-0.5, 0.5).

    Sender p adds the radical inverse of p in base 2 (van der Corput 1935) to noise that all
    share, modulo 1. So any 2^m senders whose places differ in the last m bits are spaced evenly
    at each coordinate, consecutive ones among them, while each by itself is uniform.
    """
    noise = shared.common_generator(purpose).random(shared.layout.numel, np.float32)
    place = shared.sender if shared.place is None else shared.place
    shift = np.int32(int(f"{place & _MASK:0{_BITS}b}"[::-1], 2))
    _turn(noise, shift)
    return noise


def fold(x: Floats, dither: Floats) -> Floats:
    """Return x with the sign turned where the dither is negative."""
    turned = dither.view(np.uint32) & _SIGN
    turned ^= x.view(np.uint32)
    return turned.view(np.float32)


def unfold(y: Floats, dither: Floats, step: float) -> Floats:
    """Return (y - |dither|) * step with signs turned back, in y's memory."""
    _unfold(y, dither, np.float32(step))
    return y


def _turn_numpy(noise: Floats, shift: np.int32) -> None:
    for start in range(0, noise.size, CHUNK):
        part = noise[start : start + CHUNK]
        turned = ((part * np.float32(1 << _BITS)).astype(np.int32) + shift) & np.int32(_MASK)
        part[:] = turned
        part *= np.float32(2.0**-_BITS)
        part -= np.float32(0.5)


def _unfold_numpy(y: Floats, dither: Floats, step: np.float32) -> None:
    for start in range(0, y.size, CHUNK):
        part, noise = y[start : start + CHUNK], dither[start : start + CHUNK]
        part -= np.abs(noise)
        part *= step
        part.view(np.uint32)[:] ^= noise.view(np.uint32) & _SIGN


@kernel(_turn_numpy)
def _turn(noise, shift):  # type: ignore[no-untyped-def]
    scale, unit, half = np.float32(16777216), np.float32(2.0**-24), np.float32(0.5)
    for i in range(noise.size):
        turned = np.int32(np.int32(noise[i] * scale) + shift) & np.int32(0xFFFFFF)
        noise[i] = np.float32(np.int32(turned)) * unit - half


@kernel(_unfold_numpy)
def _unfold(y, dither, step):  # type: ignore[no-untyped-def]
    for i in range(y.size):
        noise = dither[i]
        value = (y[i] - abs(noise)) * step
        y[i] = -value if noise < 0 else value
