"""The sign-flip test, against scipy's permutation test."""

import numpy as np
import pytest
from scipy import stats

from fedbytes.plots import compare_with_margin, flip_signs


@pytest.mark.parametrize("n", [2, 5, 9])
def test_exact_p_values_are_scipys(n):
    for values in np.random.default_rng(n).normal(0.1, 1, size=(5, n)):
        expected = stats.permutation_test(
            (values + 0.5,), np.sum, permutation_type="samples", alternative="greater",
            n_resamples=np.inf, vectorized=False,
        )  # fmt: skip
        assert flip_signs(values, -0.5) == pytest.approx(expected.pvalue)


def test_the_smallest_p_value():
    assert flip_signs([0.1, 0.2, 0.3, 0.4, 0.5], 0) == 1 / 32
    assert flip_signs([0.5] * 5, 0.5) == 1  # all at the bound: every pattern is as far


def test_drawn_patterns_agree_with_students_t_and_repeat():
    values = np.random.default_rng(3).normal(-0.3, 1, size=20)
    found = flip_signs(values, -0.5)
    assert found == flip_signs(values, -0.5)
    assert found == pytest.approx(compare_with_margin(values, 0.5).p_non_inferior, abs=0.02)
    assert flip_signs(np.ones(30), 0) == 1 / 10_000


def test_what_is_no_sample():
    with pytest.raises(ValueError, match="finite differences"):
        flip_signs([], 0)
    with pytest.raises(ValueError, match="finite differences"):
        flip_signs([1.0, float("nan")], 0)
