"""What a client does to the gradients of its local steps where each text has a promise."""

from dataclasses import dataclass


@dataclass(frozen=True)
class GradientNoise:
    """Clipped gradients of single texts, and noise on their sum (Abadi et al. 2016).

    Attributes:
        clip: the L2 norm C that the gradient of one text is shortened to.
        noise: the standard deviation of the noise of a sum, over C; 0 before it is settled.
    """

    clip: float
    noise: float

    @property
    def deviation(self) -> float:
        """The standard deviation of the noise of each number of a sum: 0.5 at C 0.25 and 2."""
        return self.clip * self.noise


@dataclass(frozen=True)
class LocalSampling:
    """How the clients of a run draw the texts of their local steps, by a coin for each text.

    Attributes:
        fewest: texts of the client that has fewest, each of which is drawn most often.
        batch_size: texts of a step on average.
        steps: local steps of a round, as many for each client.
    """

    fewest: int
    batch_size: int
    steps: int

    @property
    def expected(self) -> int:
        """Texts of that client in a step on average: all of them, if a batch asks for more."""
        return min(self.batch_size, self.fewest)

    @property
    def rate(self) -> float:
        """The largest probability that a text is in a step: 0.02 for 16 of 800."""
        return self.expected / self.fewest
