"""A clip that follows the clients' norms, privately (Andrew et al. 2021, arXiv:1905.03871)."""

import math
from dataclasses import dataclass

import numpy as np

QUANTILE, RATE = 0.5, 0.2
"""Of the clients' norms, where the clip is led to; and how fast, as a power of e a round."""


@dataclass(frozen=True)
class CountNoise:
    """Noise of the count of clients within the clip, in numbers of clients.

    A client changes that count by a half either way, as it is counted around a half. Of a round's
    whole noise, as strong as a multiplier z, what is left to the deltas is a multiplier
    `(z^-2 - (2 deviation)^-2)^(-1/2)`.
    """

    deviation: float

    @classmethod
    def among(cls, clients: int, noise: float) -> "CountNoise":
        """Return a twentieth of a round's clients, as in the paper, or z of few clients.

        That leaves the deltas a multiplier of at most 1.155 z.
        """
        return cls(max(clients / 20, noise))

    def of_deltas(self, noise: float) -> float:
        """Return the noise multiplier of the deltas, a little above that of the round's whole.

        At a deviation of 5 and a noise of 1 it is 1.005.
        """
        return float((noise**-2 - (2 * self.deviation) ** -2) ** -0.5)


def next_clip(
    clip: float, within: int, of: int, expected: float, noise: CountNoise, rng: np.random.Generator
) -> float:
    """Return the clip of the next round, where the server counts.

    Args:
        clip: of this round.
        within: clients whose norm is at most that.
        of: clients in this round.
        expected: clients in a round, on average.
        noise: of the count.
        rng: what it is drawn from.
    """
    return moved_clip(clip, within - of / 2 + rng.normal(0.0, noise.deviation), expected)


def moved_clip(clip: float, centred: float, expected: float) -> float:
    """Return the clip of the next round.

    Half of the clients within 0.1 leave a clip of 0.1 as it is, all of them make it 0.0905.

    Args:
        clip: of this round.
        centred: by how many more than half of the round's clients are within it, with noise.
        expected: clients in a round, on average.
    """
    share = min(1.0, max(0.0, 0.5 + centred / expected))
    return clip * math.exp(-RATE * (share - QUANTILE))
