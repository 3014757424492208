"""float32 to bfloat16 and back by bit patterns, so that every platform rounds alike."""

import numpy as np

from fedbytes.arrays import Floats, UInt16s

_LARGEST_PATTERN = np.uint16(0x7F7F)


def to_bf16(x: Floats) -> UInt16s:
    """Return finite x as bfloat16 bit patterns, rounded to nearest even.

    Values that would round to infinity become the largest finite bfloat16.
    """
    bits = x.view(np.uint32)
    low = (bits >> np.uint32(16)) & np.uint32(1)
    low += np.uint32(0x7FFF)
    low += bits
    low >>= np.uint32(16)
    out = low.astype(np.uint16)
    over = (out & np.uint16(0x7FFF)) > _LARGEST_PATTERN
    if over.any():
        out[over] -= np.uint16(1)
    return out


def from_bf16(bits: UInt16s) -> Floats:
    """Return the float32 values of bfloat16 bit patterns."""
    return np.left_shift(bits, 16, dtype=np.uint32).view(np.float32)
