"""Passes of random signs and Hadamard transforms over blocks."""

import numpy as np

from fedbytes.arrays import Floats, Int64s, UInt32s
from fedbytes.compression.numerics.kernels import kernel

_SIGN = np.uint32(0x80000000)


def _run_passes_numpy(
    y: Floats,
    starts: Int64s,
    words: UInt32s,
    scale: np.float32,
    inverse: bool,
    spare: Floats,
    other: Floats,
) -> None:
    shifts = np.arange(32, dtype=np.uint32)[:, None]
    for k in range(starts.size)[:: -1 if inverse else 1]:
        part = y[starts[k] : starts[k] + spare.size]
        signs = ((words[k] >> shifts) << np.uint32(31)).ravel()[: spare.size]
        if not inverse:
            part *= scale
            part.view(np.uint32)[:] ^= signs
        part[:] = _hadamard(part)
        if inverse:
            part *= scale
            part.view(np.uint32)[:] ^= signs


def _hadamard(x: Floats) -> Floats:
    """Return H x with the additions in the order of the kernel."""
    left = x.size
    while left > 1:
        if left == 2:
            low, high = x[0::2], x[1::2]
            x = np.concatenate((low + high, low - high))
        else:
            e, f = x[0::4] + x[1::4], x[0::4] - x[1::4]
            g, h = x[2::4] + x[3::4], x[2::4] - x[3::4]
            x = np.concatenate((e + g, f + h, e - g, f - h))
        left //= 4
    return x


@kernel(_run_passes_numpy)
def run_passes(y, starts, words, scale, inverse, spare, other):
    """Apply the passes that start at `starts` to y, or their inverses in reverse."""
    # Each step takes the two lowest digits of the index and writes them as the highest: loads
    # with stride 4 and contiguous stores are what LLVM makes vectors of at every level. After
    # all steps the digits are in their places again. Bit k of word i is the sign of coordinate
    # k * words + i, for the same reason.
    size, width = spare.size, words.shape[1]
    planes = size // width
    for step in range(starts.size):
        k = starts.size - 1 - step if inverse else step
        part, row = y[starts[k] : starts[k] + size], words[k]
        source = part
        if not inverse:
            source = spare if size > 1 else part
            for plane in range(planes):
                up = np.uint32(31 - plane)
                given = part[plane * width : plane * width + width]
                signed = source[plane * width : plane * width + width].view(np.uint32)
                for i in range(width):
                    scaled = np.float32(given[i] * scale).view(np.uint32)
                    signed[i] = scaled ^ ((row[i] << up) & _SIGN)
        # log4(size) steps between two buffers; the last one of the forward pass ends in y.
        left, flip = size, inverse
        while left > 1:
            target = spare if flip else other
            flip = not flip
            if left <= 4 and not inverse:
                target = part
            if left >= 4:
                quarter = size // 4
                t0, t1 = target[:quarter], target[quarter : 2 * quarter]
                t2, t3 = target[2 * quarter : 3 * quarter], target[3 * quarter :]
                for i in range(quarter):
                    a, b = source[4 * i], source[4 * i + 1]
                    c, d = source[4 * i + 2], source[4 * i + 3]
                    e, f, g, h = a + b, a - b, c + d, c - d
                    t0[i] = e + g
                    t1[i] = f + h
                    t2[i] = e - g
                    t3[i] = f - h
            else:
                half = size // 2
                t0, t1 = target[:half], target[half:]
                for i in range(half):
                    a, b = source[2 * i], source[2 * i + 1]
                    t0[i] = a + b
                    t1[i] = a - b
            source = target
            left //= 4
        if inverse:
            for plane in range(planes):
                up = np.uint32(31 - plane)
                given = source[plane * width : plane * width + width]
                signed = part[plane * width : plane * width + width].view(np.uint32)
                for i in range(width):
                    scaled = np.float32(given[i] * scale).view(np.uint32)
                    signed[i] = scaled ^ ((row[i] << up) & _SIGN)
