"""A client's message as integers with its share of the noise, and the mean from their sum.

The way of Kairouz, Liu and Steinke (2021, arXiv:2102.06387) with Skellam noise: the message,
rotated so that its numbers are alike, is clipped, scaled, rounded at random and made noisy, and
then taken modulo 2^bits, in which integers may be added in secret.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fedbytes.arrays import UInt64s
from fedbytes.privacy.dp.gaussian_noise import Float32s, clip_to_norm
from fedbytes.privacy.dp.skellam_account import rounded_norm

MARGIN = 4.0
"""Standard deviations of a sum's numbers that fit into the modulus, either way."""
MOST_BITS = 20
"""Of an integer: at more, variances of noise are above what floats draw Poisson variables of
faithfully, about 1e10, and 16 bits already cost nothing."""


def scale_of(bits: int, clip: float, deviation: float, clients: int, numel: int) -> float:
    """Return by how much messages are scaled, so that their sum fits into a modulus.

    Numbers of the sum are at most `clip * clients / sqrt(numel)` after a rotation, in root mean
    square; noise and rounding come on top.

    Args:
        bits: of the modulus.
        clip: the L2 norm of a message.
        deviation: the standard deviation of the most noise that each number can have.
        clients: in the sum.
        numel: numbers in a message.

    Raises:
        ValueError: if the rounding of so many clients does not fit.
    """
    room = 4.0**bits / (4 * MARGIN**2) - clients / 4
    if room <= 0:
        raise ValueError(
            f"dp: bits={bits} do not hold the rounding of {clients} clients: raise bits"
        )
    return math.sqrt(room / ((clip * clients) ** 2 / numel + deviation**2))


@dataclass(frozen=True)
class SkellamCode:
    """How messages of a run become integers.

    Attributes:
        bits: of the modulus.
        clip: the L2 norm that a message is shortened to.
        scale: what it is multiplied by.
        share: the variance of a client's own noise, in integers.
    """

    bits: int
    clip: float
    scale: float
    share: float

    def encode(self, message: Float32s, rng: np.random.Generator) -> UInt64s:
        """Return integers modulo 2^bits `[numel]`: clipped, scaled, rounded, with noise."""
        scaled = clip_to_norm(message, self.clip).astype(np.float64) * self.scale
        integers = round_within(scaled, rounded_norm(self.scale * self.clip, len(scaled)), rng)
        return _modulo(integers + skellam_noise(len(integers), self.share, rng), self.bits)

    def decode(self, total: UInt64s, clients: int) -> Float32s:
        """Return the mean `[numel]` from a sum modulo 2^bits, of so many clients."""
        half = 1 << (self.bits - 1)
        centred = _modulo(total.astype(np.int64) + half, self.bits).astype(np.int64) - half
        return (centred / (self.scale * clients)).astype(np.float32)


def round_within(
    vector: npt.NDArray[np.float64], norm: float, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Return a vector rounded at random to integers, drawn again while it is longer than `norm`.

    The mean of the draws of one number is that number, but for those that are drawn again.
    """
    below = np.floor(vector)
    while True:
        found = below + (rng.random(len(vector)) < vector - below)
        if float(np.linalg.norm(found)) <= norm:
            return found.astype(np.int64)


def skellam_noise(numel: int, variance: float, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Return independent integers `[numel]` of mean 0: differences of two Poisson variables."""
    return rng.poisson(variance / 2, numel) - rng.poisson(variance / 2, numel)


def _modulo(integers: npt.NDArray[np.int64], bits: int) -> UInt64s:
    return (integers & ((1 << bits) - 1)).astype(np.uint64)
