"""A random rotation that both ends know: two rounds of signs and Hadamard transforms by blocks.

Rotated coordinates are close to Gaussian whatever the vector, so that one table of levels fits
them all, and errors made in them are spread evenly when they are rotated back. One round (Ailon
and Chazelle 2009; Suresh et al. 2017) leaves a coordinate that stands out as the same magnitude
everywhere, which biases quantisers that rely on the rotation; the second round cures that.

No coordinate is padded. A pass takes p coordinates in a row (p is `block`, or the largest power
of two in a shorter vector), multiplies them by fresh random signs and by the Hadamard matrix
H_p / sqrt(p). A round goes over the blocks from the front and, if p does not divide the length,
over the last p coordinates as well, so that a tail of any length is mixed with p coordinates.
"""

import math

import numpy as np

from fedbytes.arrays import Floats, Int64s, UInt32s
from fedbytes.compression.numerics.kernels import kernel

BLOCK = 4096
_ROUNDS = 2
_SIGN = np.uint32(0x80000000)


def rotate(x: Floats, generator: np.random.Generator, block: int = BLOCK) -> Floats:
    """Return the rotation of x as a new float32 [n]; the norm stays, up to float32 arithmetic.

    Args:
        x: float32 [n], magnitudes at most 2^64 so that no sum overflows (`scaling.normalise`).
        generator: randomness that the receiver shares; the rotation is drawn from it.
        block: coordinates mixed with each other, a power of two.
    """
    y = x.copy()
    _apply(y, generator, block, inverse=False)
    return y


def unrotate(y: Floats, generator: np.random.Generator, block: int = BLOCK) -> Floats:
    """Return y [n] rotated back, in place; `generator` is in the state that `rotate` began with."""
    _apply(y, generator, block, inverse=True)
    return y


def groups(n: int, block: int = BLOCK) -> Int64s:
    """Return the borders [g + 1] of the groups of rotated coordinates with one variance each.

    Groups are the blocks; if the vector does not end with one, the last group is the last p
    coordinates and takes its part from the block before it.
    """
    p = _block_of(n, block)
    starts = np.arange(0, n - n % p, p) if n else np.zeros(0, np.int64)
    tail = [n - p] if n % p else []
    return np.array([*starts, *tail, n], np.int64)


def _block_of(n: int, block: int) -> int:
    """Return how many coordinates a pass mixes."""
    if block < 1 or block & (block - 1):
        raise ValueError(f"rotation: block must be a power of two, got {block}")
    return min(block, 1 << max(n.bit_length() - 1, 0))


def _schedule(n: int, p: int) -> Int64s:
    """Return where each pass starts; a block that nothing overlaps has all its rounds at once."""
    whole = n // p
    alone = whole if n % p == 0 else whole - 1
    rest = [(whole - 1) * p, n - p] * _ROUNDS if n % p else []
    return np.concatenate((np.repeat(np.arange(alone) * p, _ROUNDS), np.array(rest, np.int64)))


def _apply(y: Floats, generator: np.random.Generator, block: int, inverse: bool) -> None:
    if y.size == 0:
        return
    p = _block_of(y.size, block)
    starts = _schedule(y.size, p)
    raw = generator.bit_generator.random_raw(starts.size * max(p // 64, 1))
    words = raw.astype("<u8").view("<u4").reshape(starts.size, -1)[:, : max(p // 32, 1)]
    spare = np.empty((2, p), np.float32)
    _passes(y, starts, words, np.float32(math.sqrt(1 / p)), inverse, spare[0], spare[1])


def _passes_numpy(
    y: Floats,
    starts: Int64s,
    words: UInt32s,
    scale: np.float32,
    inverse: bool,
    spare: Floats,
    other: Floats,
) -> None:
    places = np.arange(32, dtype=np.uint32)[:, None]
    for k in range(starts.size)[:: -1 if inverse else 1]:
        part = y[starts[k] : starts[k] + spare.size]
        signs = ((words[k] >> places) << np.uint32(31)).ravel()[: spare.size]
        if not inverse:
            part *= scale
            part.view(np.uint32)[:] ^= signs
        part[:] = _hadamard(part)
        if inverse:
            part *= scale
            part.view(np.uint32)[:] ^= signs


def _hadamard(x: Floats) -> Floats:
    """Return H x in the order of additions that the loop below has."""
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


@kernel(_passes_numpy)
def _passes(y, starts, words, scale, inverse, spare, other):  # type: ignore[no-untyped-def]
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
