"""Skellam noise that the clients of a round add together, in the integers of a masked sum."""

import math
from dataclasses import dataclass

import numpy as np

from fedbytes.arrays import UInt64s
from fedbytes.privacy.dp.skellam_integers import SkellamCode, scale_of
from fedbytes.privacy.noisy_sum import NoisySum, RealVector


@dataclass(frozen=True)
class SkellamSum(NoisySum):
    """How the clients of one round make integers with noise.

    Each adds its share of the noise that the sum needs where at most `dropout` of them vanish; if
    none does, there is a little more.

    Attributes:
        bits: of the modulus.
        clip: the L2 norm that a message is shortened to.
        noise: the standard deviation of the whole noise over the clip.
        clients: who take part in this round.
        planned: for how many the modulus has room.
        expected: in a round on average, which the sum is divided by.
        dropout: the share of them that may vanish.
        numel: numbers in a message, as the account has it; 0 where there is none.
    """

    bits: int
    clip: float
    noise: float
    clients: int
    planned: int
    expected: int
    dropout: float = 0.0
    numel: int = 0

    def code(self, numel: int) -> SkellamCode:
        """Return how messages of so many numbers become integers.

        Raises:
            ValueError: if what they cost was accounted for at another length.
        """
        if self.numel not in (0, numel):
            raise ValueError(
                f"privacy 'dp' with where=distributed accounts for messages of {self.numel} "
                f"numbers, and one has {numel}: take an algorithm that sends the same in each "
                "round, or where=central"
            )
        most = self.noise * self.clip / math.sqrt(1 - self.dropout)
        scale = scale_of(self.bits, self.clip, most, self.planned, numel)
        whole = (self.noise * self.clip * scale) ** 2
        share = whole / (max(self.clients, 1) * (1 - self.dropout))
        return SkellamCode(self.bits, self.clip, scale, share)

    def integers(self, rotated: RealVector, rng: np.random.Generator) -> UInt64s:
        """Return the integers of a client's message, clipped, rounded and with its noise."""
        return self.code(len(rotated)).encode(rotated, rng)

    def mean(self, total: UInt64s, senders: int) -> RealVector:
        """Return the sum over the clients that a round has on average, however many sent."""
        return self.code(len(total)).decode(total, self.expected)
