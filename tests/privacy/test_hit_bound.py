"""Attacks find no more members than differential privacy allows; without noise they are caught."""

import math

import numpy as np
import pytest
from scipy import stats

from fedbytes.privacy import MeasuredHits, hits_above, most_hits
from fedbytes.streams import stream


@pytest.mark.parametrize("epsilon", [0.0, 0.5, 3.0, 50.0, 1000.0])
def test_the_curve_is_that_of_the_definition(epsilon):
    rates, delta = np.linspace(0, 1, 21), 1e-3
    curve = most_hits(rates, epsilon, delta)
    assert (curve >= rates - 1e-12).all(), "guessing is always allowed"
    assert (np.diff(curve) >= -1e-12).all()
    assert curve[-1] == 1
    if epsilon < 30:  # beyond it 1 - curve is below what a float tells from 0
        grown = math.exp(epsilon)
        assert (curve <= grown * rates + delta + 1e-12).all()
        assert (1 - rates <= grown * (1 - curve) + delta + 1e-9).all()
    if epsilon == 0:
        assert curve == pytest.approx(np.minimum(rates + delta, 1))


def test_the_best_attack_on_a_gaussian_lies_under_it_and_one_without_its_noise_above():
    """One number, a sensitivity of 1: a member shifts it by 1. The noise is that of epsilon 1."""
    sigma = 3.0
    delta = 1e-3
    # Balle and Wang 2018: the delta of a Gaussian mechanism at each epsilon, exactly.
    grid = np.linspace(0, 5, 5001)
    deltas = stats.norm.cdf(0.5 / sigma - grid * sigma) - np.exp(grid) * stats.norm.cdf(
        -0.5 / sigma - grid * sigma
    )
    epsilon = float(grid[deltas <= delta][0])
    rng, n = stream(0, "audited mechanism"), 4000
    for noise, above in ((sigma, 0), (0.2 * sigma, 5)):
        inside, outside = 1 + noise * rng.normal(size=n), noise * rng.normal(size=n)
        points = []
        for rate in (0.001, 0.01, 0.05, 0.2, 0.5):
            level = np.quantile(outside, 1 - rate)
            points.append(
                MeasuredHits(int((inside > level).sum()), n, int((outside > level).sum()), n)
            )
        assert len(hits_above(points, epsilon, delta)) == above


@pytest.mark.parametrize(
    ("fields", "said"),
    [(([0.1], -1.0, 0.0), "epsilon"), (([0.1], 1.0, 1.0), "delta"), (([1.1], 1.0, 0.0), "rates")],
)
def test_numbers_out_of_range_are_refused(fields, said):
    with pytest.raises(ValueError, match=said):
        most_hits(*fields)
