"""Tests against a margin, against scipy and by hand."""

from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fedbytes.plots import compare_crossed, compare_with_margin

DIFFERENCES = st.lists(st.floats(-1, 1), min_size=2, max_size=12).filter(lambda x: np.std(x) > 1e-4)


@given(DIFFERENCES, st.floats(0.01, 1))
def test_p_values_and_bounds_are_scipys(values, margin):
    found = compare_with_margin(values, margin)
    against = lambda bound, way: stats.ttest_1samp(values, bound, alternative=way)  # noqa: E731
    assert found.p_non_inferior == pytest.approx(against(-margin, "greater").pvalue, abs=1e-9)
    assert found.p_worse == pytest.approx(against(-margin, "less").pvalue, abs=1e-9)
    assert found.p_better == pytest.approx(against(0, "greater").pvalue, abs=1e-9)
    two = max(found.p_non_inferior, against(margin, "less").pvalue)
    assert found.p_equal == pytest.approx(two, abs=1e-9)
    ninety = stats.ttest_1samp(values, 0).confidence_interval(0.9)
    assert (found.low, found.high) == pytest.approx(tuple(ninety))


@given(DIFFERENCES, st.floats(0.01, 1))
def test_a_bound_beyond_the_margin_is_a_small_p_value(values, margin):
    found = compare_with_margin(values, margin)
    assert (found.low > -margin) == (found.p_non_inferior < 0.05)
    assert (found.high < -margin) == (found.p_worse < 0.05)
    assert (found.low > -margin and found.high < margin) == (found.p_equal < 0.05)


def test_the_same_difference_at_every_seed():
    lossless = compare_with_margin([0.0] * 5, 0.005)
    assert (lossless.p_non_inferior, lossless.p_equal, lossless.p_better) == (0, 0, 1)
    lost = compare_with_margin([0.895 - 0.900] * 5, 0.005)  # at the margin, but for rounding
    assert (lost.p_non_inferior, lost.p_worse) == (1, 1)
    assert compare_with_margin([-0.01] * 5, 0.005).p_worse == 0


@pytest.mark.parametrize("margin", [0, -0.1, float("nan"), float("inf")])
def test_a_margin_that_is_none(margin):
    with pytest.raises(ValueError, match="the margin must be above 0"):
        compare_with_margin([0.1, 0.2], margin)


def test_what_is_no_sample():
    with pytest.raises(ValueError, match="at least two paired differences, got 1"):
        compare_with_margin([0.1], 0.5)
    with pytest.raises(ValueError, match="diverged"):
        compare_with_margin([0.1, float("nan")], 0.5)


def test_a_crossed_design_by_hand():
    # Rows differ by 2 alone: mean squares 2 for rows, none for columns and the rest.
    found = compare_crossed([[1.0, 1.0], [3.0, 3.0]], margin=5.0)
    assert found.mean == 2
    assert found.error == pytest.approx(sqrt(4 / 4))
    assert found.degrees == 1
    assert found.n == 4


def test_rows_that_are_independent_runs_cost_little():
    table = np.random.default_rng(0).normal(size=(10, 8))
    crossed, alone = compare_crossed(table, 1.0), compare_with_margin(table.ravel(), 1.0)
    assert crossed.mean == pytest.approx(alone.mean)
    assert crossed.error < 2 * alone.error


def test_a_crossed_design_needs_both_factors():
    with pytest.raises(ValueError, match="two rows and two columns, got 1 x 3"):
        compare_crossed([[1.0, 2.0, 3.0]], 1.0)
