"""What Skellam noise on integers promises (Agarwal, Kairouz and Liu 2021, arXiv:2110.04995).

A Skellam variable is the difference of two Poisson variables, so it is an integer, and the sum of
clients' shares of noise is exactly the noise of the sum. Its Rényi divergences are here, as
`dp-accounting` does not have them; from these to epsilon it is `dp-accounting`'s way.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln, logsumexp

from fedbytes.process.optional_imports import import_dp_accounting

ORDERS = np.array([*range(2, 65), *range(72, 129, 8), 160, 192, 256, 384, 512])
"""Whole orders of Rényi divergences, among which the best is taken."""
_LOG_RETRY = 0.5
"""Minus the log of the least probability that a rounding is kept; see `rounded_norm`."""
Float64s = npt.NDArray[np.float64]


def rounded_norm(norm: float, numel: int) -> float:
    """Return the L2 norm within which a vector's stochastic rounding to integers is kept.

    Roundings that are longer are drawn again; at least e^-0.5 of them are not. A vector of norm 100
    in 400 numbers is within 101.1 after rounding.
    """
    likely = math.sqrt(2 * _LOG_RETRY) * (norm + math.sqrt(numel) / 2)
    return min(norm + math.sqrt(numel), math.sqrt(norm**2 + numel / 4 + likely))


@dataclass(frozen=True)
class SkellamRound:
    """A round whose sum of integers has Skellam noise.

    Attributes:
        norm: the L2 norm that one client's scaled message has at most, before it is rounded.
        numel: numbers in a message.
        variance: of the whole noise of each integer of the sum.
        rate: the probability that a client takes part, by a coin of its own; 1 without
            amplification.
        replaced: whether a neighbour has another client in the place of one, not one less.
    """

    norm: float
    numel: int
    variance: float
    rate: float = 1.0
    replaced: bool = False

    def divergences(self) -> Float64s:
        """Return the Rényi divergences of the round at `ORDERS`."""
        every = _plain(self, np.arange(2, ORDERS[-1] + 1))
        plain: Float64s = every[ORDERS - 2]
        if self.rate == 1:
            return plain
        amplified = [_amplified(every, int(order), self.rate) for order in ORDERS]
        found: Float64s = np.minimum(amplified, plain)
        return found


def _plain(one: SkellamRound, orders: npt.NDArray[np.int64]) -> Float64s:
    """Return the divergences without amplification (Corollary 3.6 of the paper)."""
    l2 = rounded_norm(one.norm, one.numel)
    l1 = l2 * min(math.sqrt(one.numel), l2)
    if one.replaced:
        l1, l2 = 2 * l1, 2 * l2
    mu = one.variance
    extra = np.minimum(((2 * orders - 1) * l2**2 + 6 * l1) / (4 * mu**2), 3 * l1 / (2 * mu))
    found: Float64s = orders * l2**2 / (2 * mu) + extra
    return found


def _amplified(plain: Float64s, order: int, rate: float) -> float:
    """Return the divergence where a client takes part by its own coin.

    It is that of a mixture from its noise alone, term by term. The other way around is no more, as
    the noise is symmetric (Mironov, Talwar and Zhang 2019, Theorem 5), which spares the factor of
    3 that Zhu and Wang (2019, Theorem 5) have for noise of any kind.
    """
    k = np.arange(order + 1)
    moments = np.concatenate([[0.0, 0.0], (k[2:] - 1) * plain[: order - 1]])
    choose = gammaln(order + 1) - gammaln(k + 1) - gammaln(order - k + 1)
    terms = choose + (order - k) * math.log1p(-rate) + k * math.log(rate) + moments
    return float(logsumexp(terms)) / (order - 1)


@lru_cache(maxsize=512)
def _divergences(one: SkellamRound) -> Float64s:
    return one.divergences()


def skellam_epsilon(rounds: Sequence[tuple[SkellamRound, int]], delta: float) -> float:
    """Return the epsilon of rounds, each kind so many times.

    Raises:
        ValueError: if `dp-accounting` is not installed.
    """
    dp = import_dp_accounting("privacy 'dp'")
    total = sum((times * _divergences(one) for one, times in rounds), np.zeros(len(ORDERS)))
    if not total.any():
        return 0.0
    return float(dp.rdp.compute_epsilon(ORDERS, total, delta)[0])
