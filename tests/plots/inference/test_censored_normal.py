"""The censored normal fit, against scipy's."""

import numpy as np
import pytest
from scipy import stats

from fedbytes.plots.inference.censored_normal import fit_censored


def draws(seed, n=12):
    return np.random.default_rng(seed).normal(3, 0.7, n)


@pytest.mark.parametrize("seed", range(4))
def test_right_censored_values(seed):
    values = draws(seed)
    missed = values > 3.2
    mean, deviation = fit_censored(np.minimum(values, 3.2), missed * 1)
    data = stats.CensoredData.right_censored(np.minimum(values, 3.2), missed)
    assert (mean, deviation) == pytest.approx(stats.norm.fit(data), rel=1e-3)


def test_values_censored_on_both_sides():
    values = draws(7, 20)
    sides = np.where(values > 3.4, 1, np.where(values < 2.5, -1, 0))
    known = np.clip(values, 2.5, 3.4)
    data = stats.CensoredData(
        uncensored=known[sides == 0], left=known[sides < 0], right=known[sides > 0]
    )
    assert fit_censored(known, sides) == pytest.approx(stats.norm.fit(data), rel=1e-3)


def test_known_values_alone():
    values = draws(1)
    assert fit_censored(values, np.zeros(12)) == pytest.approx((values.mean(), values.std()))


def test_many_at_once_are_as_one_by_one_and_weights_leave_out():
    values = np.stack([draws(seed) for seed in range(3)])
    sides = (values > 3.2) * 1
    known = np.minimum(values, 3.2)
    means, deviations = fit_censored(known, sides)
    for i in range(3):
        alone = fit_censored(known[i], sides[i])
        assert (means[i], deviations[i]) == pytest.approx(alone, rel=1e-8)
    kept = np.ones(12)
    kept[4] = 0
    assert fit_censored(known[0], sides[0], kept) == pytest.approx(
        fit_censored(np.delete(known[0], 4), np.delete(sides[0], 4)), rel=1e-8
    )


def test_scale_and_place_do_not_matter():
    values, sides = np.minimum(draws(2), 3.2), (draws(2) > 3.2) * 1
    mean, deviation = fit_censored(values, sides)
    moved = fit_censored(1e6 + 1e3 * values, sides)
    assert moved == pytest.approx((1e6 + 1e3 * mean, 1e3 * deviation))


def test_censoring_far_from_the_values_stays_finite():
    mean, deviation = fit_censored([0.0, 0.1, 0.2, -30.0], [0, 0, 0, 1])
    assert np.isfinite([mean, deviation]).all()
    assert mean == pytest.approx(0.1, abs=0.02)
