"""What Gaussian noise promises over the rounds of a run, by the accountants of `dp-accounting`.

The noise multiplier is everywhere the noise's standard deviation over the bound C of what one
client adds to the sum. Under add/remove that is its ratio to the sensitivity. Under replace-one the
sensitivity is 2 C: the PLD accountant takes that into account by itself, and the RDP accountant
does not (https://github.com/google/differential-privacy/issues/378), so it is given half.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from fedbytes.process.optional_imports import import_dp_accounting

Relation = Literal["add/remove", "replace-one", "zero-out"]
GRID = 1e-3
"""Discretisation of privacy losses: a tenth of the default's accuracy costs 0.1 % of epsilon, and
takes a tenth of a second for what takes ten."""
FAINT_NOISE = 0.3
"""Below this, a round's loss is so large that the grid grows with its size."""
_LARGE_LOSS = 250.0
"""Above this, so is that of all rounds; no promise that anybody makes is near it."""


@dataclass(frozen=True)
class Sampled:
    """How a round's clients were drawn, as far as it amplifies.

    Attributes:
        relation: between two federations that must not be told apart: one client more or less, or
            one in the place of another.
        clients: of whom a round's are drawn; 0 where drawing them does not count.
        expected: how many, on average.
    """

    relation: Relation
    clients: int = 0
    expected: int = 0

    @property
    def rate(self) -> float:
        """The share of the clients that take part, where it counts; else 1."""
        return self.expected / self.clients if self.amplifies else 1.0

    @property
    def amplifies(self) -> bool:
        """Whether fewer than all take part, in a way that counts."""
        return 0 < self.expected < self.clients


class PrivacyCost(NamedTuple):
    """An epsilon, and the accountant that found it."""

    epsilon: float
    accountant: str


@lru_cache(maxsize=4096)
def gaussian_cost(noise: float, rounds: int, delta: float, sampled: Sampled) -> PrivacyCost:
    """Return the epsilon of so many rounds of Gaussian noise.

    A round at noise 1 with all clients, one of whom may be missing, is (4.377, 1e-5)-private. Of a
    fixed number of clients the better of two bounds is taken: RDP with what drawing them amplifies,
    and PLD without.

    Args:
        noise: the noise multiplier, above 0.
        rounds: in which a client may take part.
        delta: the probability that the promise is not kept.
        sampled: how the rounds' clients are drawn.

    Raises:
        ValueError: if `dp-accounting` is not installed.
    """
    if rounds == 0:
        return PrivacyCost(0.0, "PLD")
    dp = import_dp_accounting("privacy 'dp'")
    relations = dp.NeighboringRelation
    grid = {"value_discretization_interval": loss_grid(noise, rounds, sampled)}
    if sampled.relation == "add/remove":
        exact = dp.pld.PLDAccountant(relations.ADD_OR_REMOVE_ONE, **grid)
        return _cost("PLD", exact, _by_coins(dp, noise, sampled), rounds, delta)
    exact = dp.pld.PLDAccountant(relations.REPLACE_ONE, **grid)
    found = [_cost("PLD", exact, dp.GaussianDpEvent(noise), rounds, delta)]
    if sampled.amplifies:
        bound = dp.rdp.RdpAccountant(neighboring_relation=relations.REPLACE_ONE)
        halved = dp.GaussianDpEvent(noise / 2)
        drawn = dp.SampledWithoutReplacementDpEvent(sampled.clients, sampled.expected, halved)
        found.append(_cost("RDP", bound, drawn, rounds, delta))
    return min(found)


def loss_grid(noise: float, rounds: int, sampled: Sampled) -> float:
    """Return how finely losses are told apart: `GRID`, and coarser where they are very large.

    Without it, memory and time of the account would grow with rounds over the noise's square.
    """
    whole = rounds * sampled.rate / (2 * noise**2)
    return GRID * max(1.0, (FAINT_NOISE / noise) ** 2, whole / _LARGE_LOSS)


def _by_coins(dp: Any, noise: float, sampled: Sampled) -> Any:
    event = dp.GaussianDpEvent(noise)
    if not sampled.amplifies:
        return event
    return dp.PoissonSampledDpEvent(sampled.rate, event)


def _cost(name: str, accountant: Any, event: Any, rounds: int, delta: float) -> PrivacyCost:
    accountant.compose(event, rounds)
    return PrivacyCost(float(accountant.get_epsilon(delta)), name)
