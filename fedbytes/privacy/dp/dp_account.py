"""The account of a run's differential privacy: what so much noise costs over so many rounds."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from scipy.stats import binom

from fedbytes.privacy.dp.gaussian_account import (
    PrivacyCost,
    Relation,
    Sampled,
    gaussian_cost,
)
from fedbytes.privacy.dp.skellam_account import SkellamRound, skellam_epsilon
from fedbytes.privacy.dp.skellam_integers import scale_of
from fedbytes.privacy.participation import Participation

Where = Literal["central", "local", "distributed"]
"""Who adds the noise: the server, each client all of its own, or all clients together."""


@dataclass(frozen=True)
class DpAccount:
    """What a mechanism's noise is accounted by.

    Attributes:
        where: who adds it.
        clip: the L2 norm of a message; of `distributed` alone it matters.
        delta: the probability that the promise is not kept.
        bits: of the modulus, where the noise is integers.
        participation: of the run's clients.
        dropout: the share of them that may vanish, where the noise is integers.
    """

    where: Where
    clip: float
    delta: float
    bits: int
    participation: Participation
    dropout: float = 0.0

    @property
    def relation(self) -> Relation:
        """Between two federations that must not be told apart."""
        by_coins = self.participation.sampling == "poisson" and self.where != "local"
        return "add/remove" if by_coins else "replace-one"

    def cost(self, noise: float, rounds: int, shares: Sequence[float] = ()) -> PrivacyCost:
        """Return epsilon of so many rounds, and its accountant.

        Args:
            noise: the noise multiplier.
            rounds: how many.
            shares: of the noise's variance that was there in the first rounds, where it is added
                together; all of it in rounds that are not told.
        """
        them = self.participation
        if self.where == "distributed":
            rate = them.rate if self.relation == "add/remove" else 1.0
            replaced = self.relation == "replace-one"
            return PrivacyCost(self._skellam(noise, rounds, shares, rate, replaced), "RDP")
        if self.where == "local":
            turns = them.most_turns(rounds)
            return gaussian_cost(noise, turns, self.delta, Sampled("replace-one"))
        sampled = Sampled(self.relation, them.clients, them.expected)
        return gaussian_cost(noise, rounds, self.delta, sampled)

    def cost_to_server(
        self, noise: float, rounds: int, shares: Sequence[float] = ()
    ) -> float | None:
        """Return epsilon towards a server that sees the sums and who is in them; else None.

        Drawing clients amplifies nothing there, and neighbours have a client in the place of
        another.
        """
        if self.where != "distributed":
            return None
        turns = self.participation.most_turns(rounds)
        least = sorted(shares)[:turns]
        return self._skellam(noise, turns, least, 1.0, True)

    def scale(self, noise: float) -> float:
        """Return by how much messages are scaled before they are rounded."""
        them = self.participation
        deviation = noise * self.clip / math.sqrt(1 - self.dropout)  # if nobody vanishes
        return scale_of(self.bits, self.clip, deviation, them.most_likely, them.numel)

    def _skellam(
        self, noise: float, rounds: int, shares: Sequence[float], rate: float, replaced: bool
    ) -> float:
        scale = self.scale(noise)
        variance = (noise * self.clip * scale) ** 2
        told = [*shares[:rounds], *[1.0] * (rounds - len(shares[:rounds]))]
        kinds = [
            (
                SkellamRound(
                    scale * self.clip, self.participation.numel, share * variance, rate, replaced
                ),
                times,
            )
            for share, times in sorted(Counter(told).items())
        ]
        return skellam_epsilon(kinds, self.delta)


def too_few_come(participation: Participation, delta: float) -> str | None:
    """Return why rounds that secure aggregation gives up would tell too much, or None.

    A round of fewer than three clients has no sum, so whether there is one says whether a third
    was there. That must be rarer than a hundredth of delta in all rounds together.
    """
    if participation.sampling == "fixed":
        return None
    few = float(binom.cdf(3, participation.clients, participation.rate))
    if few * (participation.rounds or 1) <= delta / 100:
        return None
    return (
        f"privacy 'dp': of {participation.expected} clients a round on average, drawn by coins, "
        f"three or fewer come with probability {few:.1g}, and a round without a sum tells: raise "
        "clients_per_round, or set sampling=fixed"
    )
