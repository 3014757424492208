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

from fedbytes.arrays import Floats, Int64s
from fedbytes.compression.numerics.loops.hadamard_loops import run_passes

BLOCK = 4096
_ROUNDS = 2


def rotate(x: Floats, generator: np.random.Generator, block: int = BLOCK) -> Floats:
    """Return the rotation of x as a new float32 [n]; the norm stays, up to float32 arithmetic.

    Args:
        x: float32 [n], magnitudes at most 2^64 so that no sum overflows (`scaling.normalise`).
        generator: randomness that the receiver shares; the rotation is drawn from it.
        block: coordinates mixed with each other, a power of two.
    """
    y = x.copy()
    _apply_passes(y, generator, block, inverse=False)
    return y


def inverse_rotate(y: Floats, generator: np.random.Generator, block: int = BLOCK) -> Floats:
    """Return y [n] rotated back, in place; `generator` is in the state that `rotate` began with."""
    _apply_passes(y, generator, block, inverse=True)
    return y


def block_borders(n: int, block: int = BLOCK) -> Int64s:
    """Return the borders [g + 1] of the groups of rotated coordinates with one variance each.

    Groups are the blocks; if the vector does not end with one, the last group is the last p
    coordinates and takes its part from the block before it.
    """
    p = _pass_size(n, block)
    starts = np.arange(0, n - n % p, p) if n else np.zeros(0, np.int64)
    tail = [n - p] if n % p else []
    return np.array([*starts, *tail, n], np.int64)


def _pass_size(n: int, block: int) -> int:
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


def _apply_passes(y: Floats, generator: np.random.Generator, block: int, inverse: bool) -> None:
    if y.size == 0:
        return
    p = _pass_size(y.size, block)
    starts = _schedule(y.size, p)
    raw = generator.bit_generator.random_raw(starts.size * max(p // 64, 1))
    words = raw.astype("<u8").view("<u4").reshape(starts.size, -1)[:, : max(p // 32, 1)]
    spare = np.empty((2, p), np.float32)
    run_passes(y, starts, words, np.float32(math.sqrt(1 / p)), inverse, spare[0], spare[1])
