"""Skellam noise that the clients of a round add together, in the integers of a masked sum."""

import math
from dataclasses import dataclass, replace

import numpy as np

from fedbytes.arrays import UInt64s
from fedbytes.privacy.dp.adaptive_clip import CountNoise
from fedbytes.privacy.dp.gaussian_noise import clip_to_norm
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
        counted: noise of the count of clients within the clip, which then stands behind the
            message as a number of its own, plus or minus a half in units that give it that noise
            where the message has the round's; None where nobody counts.

    A client that is within the clip and one that is not are both no longer than `norm` with that
    number, which the noise is a multiple of: the round costs what it costs without the count.
    """

    bits: int
    clip: float
    noise: float
    clients: int
    planned: int
    expected: int
    dropout: float = 0.0
    numel: int = 0
    counted: CountNoise | None = None

    @property
    def beside(self) -> int:  # type: ignore[override]
        """One, where clients within the clip are counted."""
        return int(self.counted is not None)

    @property
    def told_clip(self) -> float | None:
        """The clip, where it is led from round to round."""
        return None if self.counted is None else self.clip

    def with_clip(self, clip: float) -> "SkellamSum":
        """Return the sum of a round with that clip.

        Raises:
            ValueError: if it is the same in all rounds.
        """
        if self.counted is None:
            raise ValueError(f"the clip is {self.clip:g} in all rounds, and nobody tells another")
        return replace(self, clip=clip)

    @property
    def norm(self) -> float:
        """The L2 norm of what a client's integers stand for, at most."""
        if self.counted is None:
            return self.clip
        return self.clip * self.counted.of_deltas(self.noise) / self.noise

    @property
    def unit(self) -> float:
        """What the number that counts is for one client more within the clip."""
        return 0.0 if self.counted is None else self.noise * self.norm / self.counted.deviation

    def prepared(self, message: RealVector) -> RealVector:
        """Return the message, clipped and with the client's part in the count behind it."""
        if self.counted is None:
            return message
        clipped = clip_to_norm(message, self.clip)
        half = self.unit / 2 if clipped is message else -self.unit / 2
        return np.append(clipped, np.float32(half)).astype(np.float32)

    def count(self, last: float) -> float:
        """Return by how many more than half of the senders are within the clip, with noise."""
        return last * self.expected / self.unit

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
        norm = self.norm
        most = self.noise * norm / math.sqrt(1 - self.dropout)
        scale = scale_of(self.bits, norm, most, self.planned, numel)
        whole = (self.noise * norm * scale) ** 2
        share = whole / (max(self.clients, 1) * (1 - self.dropout))
        return SkellamCode(self.bits, norm, scale, share)

    def integers(self, rotated: RealVector, rng: np.random.Generator) -> UInt64s:
        """Return the integers of a client's message, clipped, rounded and with its noise."""
        return self.code(len(rotated)).encode(rotated, rng)

    def mean(self, total: UInt64s, senders: int) -> RealVector:
        """Return the sum over the clients that a round has on average, however many sent."""
        return self.code(len(total)).decode(total, self.expected)
