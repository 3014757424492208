"""How clients come to take part in the rounds of a run, as a privacy accountant must know it."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from fedbytes.privacy.gradient_noise import LocalSampling

Sampling = Literal["fixed", "poisson"]
"""`fixed`: so many clients in each round. `poisson`: each by a coin of its own, so many on average,
and in some rounds perhaps none."""


@dataclass(frozen=True)
class Participation:
    """Who takes part in a run's rounds.

    Attributes:
        sampling: how a round's clients are drawn.
        clients: how many hold examples, and so can be drawn.
        expected: how many take part in a round; under `poisson` on average.
        rounds: how many the run makes; None if nobody has said.
        numel: numbers in a message; 0 where no model is known yet.
        most_turns: returns the most rounds that one client takes part in, of the first so many.
        sampled: how they draw the texts of local steps; None where their number is not fixed.
    """

    sampling: Sampling
    clients: int
    expected: int
    rounds: int | None = None
    numel: int = 0
    most_turns: Callable[[int], int] = int
    sampled: LocalSampling | None = None

    @property
    def rate(self) -> float:
        """The share of the clients that take part in a round, on average."""
        return self.expected / self.clients

    @property
    def most_likely(self) -> int:
        """How many take part in all but a few rounds in 30,000: four deviations above the mean."""
        if self.sampling == "fixed":
            return self.expected
        spread = math.sqrt(self.expected * (1 - self.rate))
        return min(self.clients, math.ceil(self.expected + 4 * spread))
