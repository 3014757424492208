"""Slopes whose interval is over settings."""

import numpy as np
import pytest
from scipy import stats

from fedbytes.plots import fit_clustered_line

X = np.repeat(np.append(np.linspace(0.05, 0.6, 14), 1.0), 3)
SETTINGS = np.repeat(np.arange(15), 3)


def test_the_line_is_that_of_least_squares():
    y = 2 - 3 * X + np.random.default_rng(0).normal(size=45)
    found, expected = fit_clustered_line(X, y, SETTINGS), stats.linregress(X, y)
    assert (found.slope, found.intercept) == pytest.approx((expected.slope, expected.intercept))
    assert (found.clusters, found.n) == (15, 45)
    assert found.low < found.slope < found.high
    assert (found.low <= 0 <= found.high) == (found.p_value >= 0.05)


def test_runs_of_a_setting_are_not_independent():
    random, held, alone = np.random.default_rng(1), [], []
    for _ in range(300):
        y = random.normal(size=15)[SETTINGS] + 0.3 * random.normal(size=45)
        found, line = fit_clustered_line(X, y, SETTINGS), stats.linregress(X, y)
        held.append(found.low <= 0 <= found.high)
        alone.append(abs(line.slope) <= stats.t.ppf(0.975, 43) * line.stderr)
    assert np.mean(held) > 0.91
    assert np.mean(alone) < 0.85


def test_repeating_each_run_does_not_narrow_the_interval():
    y = np.random.default_rng(2).normal(size=45)
    once = fit_clustered_line(X, y, SETTINGS)
    often = fit_clustered_line(np.tile(X, 5), np.tile(y, 5), np.tile(SETTINGS, 5))
    assert (often.low, often.high) == pytest.approx((once.low, once.high))


def test_points_on_a_line_have_no_error():
    found = fit_clustered_line(X, 2 * X, SETTINGS)
    assert (found.low, found.high) == pytest.approx((2, 2))
    assert found.p_value == pytest.approx(0, abs=1e-9)


def test_what_is_no_line():
    with pytest.raises(ValueError, match="at least 4 of them, got 2"):
        fit_clustered_line([0, 1, 2], [0, 1, 2], ["a", "b", "b"])
    with pytest.raises(ValueError, match=r"1 of 45 points are not finite.*survivors"):
        fit_clustered_line(X, np.where(np.arange(45) == 3, np.nan, X), SETTINGS)
    with pytest.raises(ValueError, match="x must differ"):
        fit_clustered_line([0, 0, 0, 1], [1, 2, 3, 4], list("abcd"))
