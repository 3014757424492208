"""The nearest of sixteen levels in each block, and levels times the block's peak."""

import numpy as np

from fedbytes.arrays import Floats, Int32s, UInt8s
from fedbytes.compression.numerics.kernels import kernel

_SMALLEST = np.float32(1e-38)


def _find_nearest_levels_numpy(
    x: Floats,
    bits: Int32s,
    block: int,
    bounds: Floats,
    largest: Floats,
    codes: UInt8s,
) -> None:
    if x.size == 0:
        return
    largest[:] = np.maximum.reduceat(np.abs(x), np.arange(0, x.size, block))
    full = x.size // block * block
    safe = np.maximum(largest, _SMALLEST)
    scaled = x * np.repeat(np.float32(1) / safe, block)[: x.size]
    scaled[full:] = x[full:] / safe[-1]
    codes[:] = np.searchsorted(bounds, scaled)


def _scale_levels_numpy(
    largest: Floats, codes: UInt8s, block: int, table: Floats, y: Floats
) -> None:
    y[:] = table[codes]
    with np.errstate(over="ignore"):
        y *= np.repeat(largest, block)[: y.size]


@kernel(_find_nearest_levels_numpy)
def find_nearest_levels(x, bits, block, bounds, largest, codes):
    """Write the peak of each block and the nearest level of each coordinate."""
    for b in range(largest.size):
        part, pattern = x[b * block : b * block + block], bits[b * block : b * block + block]
        out = codes[b * block : b * block + block]
        top = np.int32(0)
        for i in range(pattern.size):
            magnitude = np.int32(pattern[i] & np.int32(0x7FFFFFFF))
            top = magnitude if magnitude > top else top
        peak = np.int32(top).view(np.float32)
        largest[b] = peak
        safe = peak if peak > _SMALLEST else _SMALLEST
        if part.size == block:
            inverse = np.float32(1) / safe
            for i in range(part.size):
                scaled = part[i] * inverse
                code = np.uint8(0)
                # Counting the bounds below it is a search without branches: it vectorises.
                for j in range(15):
                    code += np.uint8(scaled > bounds[j])
                out[i] = code
        else:  # bitsandbytes divides in a short last block
            for i in range(part.size):
                scaled = part[i] / safe
                code = np.uint8(0)
                for j in range(15):
                    code += np.uint8(scaled > bounds[j])
                out[i] = code


@kernel(_scale_levels_numpy)
def scale_levels(largest, codes, block, table, y):
    """Write the level of each code times the peak of its block."""
    for b in range(largest.size):
        peak = largest[b]
        part, out = codes[b * block : b * block + block], y[b * block : b * block + block]
        for i in range(part.size):
            out[i] = table[part[i]] * peak
