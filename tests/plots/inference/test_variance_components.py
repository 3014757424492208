"""Components of variance of crossed tables, against what was put in."""

import numpy as np
import pytest

from fedbytes.plots import split_variance


def table(random, rows, columns, sds):
    return (
        sds[0] * random.normal(size=(rows, 1))
        + sds[1] * random.normal(size=columns)
        + sds[2] * random.normal(size=(rows, columns))
    )


def test_estimates_are_right_on_average():
    random, sds = np.random.default_rng(0), (1.0, 0.5, 0.3)
    found = [split_variance(table(random, 6, 5, sds)) for _ in range(1500)]
    means = [np.mean([getattr(one, name) for one in found]) for name in ("rows", "columns", "rest")]
    assert means == pytest.approx(np.square(sds), rel=0.08)


def test_the_error_of_the_mean_is_that_of_the_design():
    random, sds = np.random.default_rng(1), (1.0, 1.0, 0.3)
    tables = [table(random, 6, 5, sds) for _ in range(1500)]
    true = np.std([one.mean() for one in tables])
    found = [split_variance(one) for one in tables]
    assert np.sqrt(np.mean([one.error_of_mean[0] ** 2 for one in found])) == pytest.approx(
        true, rel=0.08
    )
    predicted = split_variance(table(random, 400, 400, sds)).predict_error(6, 5)
    assert predicted == pytest.approx(true, rel=0.1)


def test_a_component_is_never_negative():
    for seed in range(20):
        found = split_variance(np.random.default_rng(seed).normal(size=(3, 3)))
        assert min(found.rows, found.columns, found.rest) >= 0
        assert found.error_of_mean[0] > 0
        assert found.error_of_mean[1] > 0


def test_what_is_no_table():
    for bad, words in ([[1.0, 2.0]], "1 x 2"), ([1.0, 2.0], "got 2"), (1.0, "one number"):
        with pytest.raises(ValueError, match=words):
            split_variance(bad)
    with pytest.raises(ValueError, match="finite"):
        split_variance([[1.0, 2.0], [3.0, float("nan")]])
    with pytest.raises(ValueError, match="got 0 x 3"):
        split_variance([[1.0, 2.0], [3.0, 5.0]]).predict_error(0, 3)
