"""Intervals, against scipy and by hand."""

from math import exp, isnan, log, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fedbytes.plots.tables.statistics import (
    fit_line,
    geometric_interval,
    pair_by_seed,
    t_interval,
)


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=10).filter(lambda x: np.std(x) > 1e-6))
def test_interval_is_scipys(values):
    found = t_interval(values)
    expected = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    rounding = 1e-12 * max(map(abs, values))  # an end may lie at zero, or near it
    assert (found.low, found.high) == pytest.approx(tuple(expected), abs=rounding)
    assert found.mean == pytest.approx(np.mean(values), abs=rounding)
    assert found.half == pytest.approx((expected.high - expected.low) / 2)
    assert found.n == len(values)


def test_one_seed_has_no_interval():
    found = t_interval([0.9])
    assert (found.mean, found.n) == (0.9, 1)
    assert isnan(found.low)
    assert isnan(found.half)


def test_no_seed_at_all():
    assert t_interval([]).n == t_interval([nan]).n == 0
    assert isnan(geometric_interval([nan]).mean)


def test_missing_values_are_left_out():
    assert t_interval([1.0, nan, 3.0]) == t_interval([1.0, 3.0])


def test_a_diverged_seed_has_no_interval():
    found = t_interval([10.0, float("inf")])
    assert found.mean == float("inf")
    assert isnan(found.low)


def test_geometric_mean():
    found = geometric_interval([1.0, 4.0, 16.0])
    logs = t_interval([0.0, log(4), log(16)])
    assert found.mean == pytest.approx(4.0)
    assert (found.low, found.high) == pytest.approx((exp(logs.low), exp(logs.high)))


def test_pairs_are_of_the_same_seed():
    assert pair_by_seed({2: 5.0, 0: 1.0, 3: nan}, {0: 10.0, 1: 11.0, 2: 12.0, 3: 13.0}) == [
        (0, 1.0, 10.0),
        (2, 5.0, 12.0),
    ]
    assert pair_by_seed({0: 1.0, 1: 2.0}, {0: nan, 1: 4.0}) == [(1, 2.0, 4.0)]


@pytest.mark.parametrize("points", [3, 4, 12])
def test_a_line_and_its_band_solve_the_normal_equations(points):
    rng = np.random.default_rng(points)
    x, y = rng.random(points), rng.normal(size=points)
    design = np.stack([np.ones(points), x], 1)
    inverse = np.linalg.inv(design.T @ design)
    beta = inverse @ design.T @ y
    variance = np.sum((y - design @ beta) ** 2) / (points - 2)
    quantile = stats.t.ppf(0.975, points - 2)
    line = fit_line(x, y)
    half = quantile * np.sqrt(variance * inverse[1, 1])
    assert (line.intercept, line.slope.mean) == pytest.approx(tuple(beta))
    assert (line.slope.low, line.slope.high) == pytest.approx((beta[1] - half, beta[1] + half))
    for at in (float(x.mean()), 0.0, 2.0):
        where = np.array([1, at])
        half = quantile * np.sqrt(variance * where @ inverse @ where)
        band = line.at(at)
        assert (band.low, band.high) == pytest.approx((where @ beta - half, where @ beta + half))
    assert line.p_value == pytest.approx(
        2 * stats.t.sf(abs(beta[1]) / np.sqrt(variance * inverse[1, 1]), points - 2)
    )
