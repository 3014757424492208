"""A random rotation that both ends share: two rounds of signs and block Hadamard transforms.

Rotated coordinates are close to Gaussian for any vector, so one table of levels fits them all,
and the inverse rotation spreads their errors evenly. One round (Ailon and Chazelle 2009; Suresh
et al. 2017) turns a single outlier into one magnitude everywhere, which biases quantisers that
rely on the rotation; the second round removes that bias.

There is no padding. A pass takes p consecutive coordinates (p is `block`, or the largest power of
two in a shorter vector), and multiplies them by fresh random signs and by the Hadamard matrix
H_p / sqrt(p). A round passes over the blocks from the front and, if p does not divide the length,
over the last p coordinates as well, so that a tail of any length is mixed with p coordinates.
"""

import math

import numpy as np

from fedbytes.arrays import Floats, Int64s
from fedbytes.compression.numerics.loops.hadamard_loops import run_passes

BLOCK = 4096
_ROUNDS = 2


def rotate(x: Floats, generator: np.random.Generator, block: int = BLOCK) -> Floats:
    """Return the rotated x as a new float32 [n], of equal norm up to float32 arithmetic.

    Args:
        x: float32 [n], magnitudes at most 2^64 so that no sum overflows (`split_exponent`).
        generator: randomness that the receiver shares; it draws the signs.
        block: coordinates that are mixed with each other, a power of two.
    """
    y = x.copy()
    _apply_passes(y, generator, block, inverse=False)
    return y


def inverse_rotate(y: Floats, generator: np.random.Generator, block: int = BLOCK) -> Floats:
    """Invert `rotate` in place on y [n]; `generator` must be in the state it had there."""
    _apply_passes(y, generator, block, inverse=True)
    return y


def block_borders(n: int, block: int = BLOCK) -> Int64s:
    """Return the borders [g + 1] of the groups of rotated coordinates that share a variance.

    Groups are the blocks; if the length is no multiple of p, the last group is the last p
    coordinates, which shortens the group before it.
    """
    p = _pass_size(n, block)
    starts = np.arange(0, n - n % p, p) if n else np.zeros(0, np.int64)
    tail = [n - p] if n % p else []
    return np.array([*starts, *tail, n], np.int64)


def _pass_size(n: int, block: int) -> int:
    """Return p, the number of coordinates that a pass mixes."""
    if block < 1 or block & (block - 1):
        raise ValueError(f"rotation: block must be a power of two, got {block}")
    return min(block, 1 << max(n.bit_length() - 1, 0))


def _schedule(n: int, p: int) -> Int64s:
    """Return the start of each pass; a block without overlap runs all its rounds in a row."""
    whole = n // p
    alone = whole if n % p == 0 else whole - 1
    rest = [(whole - 1) * p, n - p] * _ROUNDS if n % p else []
    return np.concatenate((np.repeat(np.arange(alone) * p, _ROUNDS), np.array(rest, np.int64)))


def _apply_passes(y: Floats, generator: np.random.Generator, block: int, inverse: bool) -> None:
    if y.size == 0:
        return
    p = _pass_size(y.size, block)
    starts = _schedule(y.size, p)
    # One sign bit per coordinate and pass, drawn as whole 64-bit words.
    raw = generator.bit_generator.random_raw(starts.size * max(p // 64, 1))
    words = raw.astype("<u8").view("<u4").reshape(starts.size, -1)[:, : max(p // 32, 1)]
    spare = np.empty((2, p), np.float32)
    run_passes(y, starts, words, np.float32(math.sqrt(1 / p)), inverse, spare[0], spare[1])
