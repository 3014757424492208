"""Dither shifted modulo 1, and subtracted."""

import numpy as np

from fedbytes.arrays import CHUNK, Floats
from fedbytes.compression.numerics.kernels import kernel

DITHER_BITS = 24
DITHER_MASK = (1 << DITHER_BITS) - 1
SIGN = np.uint32(0x80000000)


def _shift_mod_1_numpy(noise: Floats, shift: np.int32) -> None:
    for start in range(0, noise.size, CHUNK):
        part = noise[start : start + CHUNK]
        turned = ((part * np.float32(1 << DITHER_BITS)).astype(np.int32) + shift) & np.int32(
            DITHER_MASK
        )
        part[:] = turned
        part *= np.float32(2.0**-DITHER_BITS)
        part -= np.float32(0.5)


def _subtract_dither_numpy(y: Floats, dither: Floats, step: np.float32) -> None:
    for start in range(0, y.size, CHUNK):
        part, noise = y[start : start + CHUNK], dither[start : start + CHUNK]
        part -= np.abs(noise)
        part *= step
        part.view(np.uint32)[:] ^= noise.view(np.uint32) & SIGN


@kernel(_shift_mod_1_numpy)
def shift_mod_1(noise, shift):
    """Shift noise in [0, 1) by `shift` / 2^24 modulo 1, and centre it."""
    scale, unit, half = np.float32(16777216), np.float32(2.0**-24), np.float32(0.5)
    for i in range(noise.size):
        turned = np.int32(np.int32(noise[i] * scale) + shift) & np.int32(0xFFFFFF)
        noise[i] = np.float32(np.int32(turned)) * unit - half


@kernel(_subtract_dither_numpy)
def subtract_dither(y, dither, step):
    """Set y to (y - |dither|) * step, with the sign of the dither."""
    for i in range(y.size):
        noise = dither[i]
        value = (y[i] - abs(noise)) * step
        y[i] = -value if noise < 0 else value
