"""One run bounds epsilon from below: never above the truth, and a forgotten noise is caught."""

import math

import numpy as np
import pytest
from scipy import stats

from fedbytes.privacy import guess_p_value, least_epsilon
from fedbytes.streams import stream


def test_the_bound_is_that_of_the_paper():
    assert guess_p_value(100, 100, 75, math.log(3), 0) == pytest.approx(0.553, abs=1e-3)
    pure = stats.binom.sf(59, 80, 1 / (1 + math.exp(-1)))
    assert guess_p_value(80, 80, 60, 1.0, 0) == pytest.approx(pure)
    assert guess_p_value(80, 80, 60, 1.0, 1e-3) > pure
    assert guess_p_value(80, 80, 60, 1.0, 0.5) == 1


def coins(noise, seed, candidates=400, guesses=80):
    """Guess the coins of as many numbers, each 1 or 0 with noise; only the surest are guessed."""
    rng = stream(seed, "one run")
    inside = rng.random(candidates) < 0.5
    seen = inside - 0.5 + noise * rng.normal(size=candidates)
    surest = np.argsort(-np.abs(seen))[:guesses]
    return candidates, guesses, int(((seen > 0) == inside)[surest].sum())


def test_it_stays_below_the_truth_and_catches_a_noise_that_was_forgotten():
    delta = 1e-5
    sigma = 4.0
    grid = np.linspace(0, 5, 5001)
    deltas = stats.norm.cdf(0.5 / sigma - grid * sigma) - np.exp(grid) * stats.norm.cdf(
        -0.5 / sigma - grid * sigma
    )
    truth = float(grid[deltas <= delta][0])
    above = [least_epsilon(*coins(sigma, seed), delta) > truth for seed in range(60)]
    assert sum(above) <= stats.binom.ppf(0.999, 60, 0.05)
    assert least_epsilon(*coins(0.05 * sigma, 0), delta) > truth


def test_numbers_that_contradict_each_other_are_refused():
    with pytest.raises(ValueError, match="9 right of 8 guesses of 10 candidates"):
        guess_p_value(10, 8, 9, 1.0, 0)
