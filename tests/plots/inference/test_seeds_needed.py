"""Power and seeds, against simulation and the audit's table."""

import numpy as np
import pytest

from fedbytes.plots import compare_with_margin, compute_power, count_seeds
from fedbytes.plots.inference.seeds_needed import bound_sd


@pytest.mark.parametrize(
    ("sd", "seeds"), [(0.65, 12), (0.87, 21), (2.6, 169), (0.5, 8), (8.4, 1747), (0.0, 5), (0.1, 5)]
)
def test_seeds_for_half_a_point(sd, seeds):
    assert count_seeds(sd, 0.5) == seeds
    assert compute_power(seeds, sd, 0.5) >= 0.8
    if seeds > 5:
        assert compute_power(seeds - 1, sd, 0.5) < 0.8


@pytest.mark.parametrize(
    ("n", "sd", "difference"), [(5, 0.4, 0.0), (12, 0.65, 0.0), (10, 0.4, -0.2)]
)
def test_power_is_what_simulation_gives(n, sd, difference):
    draws = np.random.default_rng(n).normal(difference, sd, size=(3000, n))
    shown = np.mean([compare_with_margin(d, 0.5).p_non_inferior <= 0.05 for d in draws])
    assert compute_power(n, sd, 0.5, difference) == pytest.approx(shown, rel=0.05)


def test_holm_over_twelve_as_the_audit_has_it():
    found = [round(compute_power(10, sd, 0.5, level=0.05 / 12), 2) for sd in (0.35, 0.5, 0.65)]
    assert found == [0.84, 0.47, 0.26]


def test_extremes_are_numbers():
    assert compute_power(5, 1e-9, 0.5) == 1
    assert compute_power(5, 1e9, 0.5) == pytest.approx(0.05, abs=1e-3)
    assert compute_power(9000, 0.01, 0.5) == 1
    assert compute_power(50, 0.1, 0.5, difference=-3) == pytest.approx(0, abs=1e-6)
    assert compute_power(5, 0.0, 0.5, difference=-0.5) == 0
    assert count_seeds(1.0, 0.5, difference=-0.5) is None
    assert count_seeds(1e3, 0.5) is None


def test_three_seeds_know_little_of_a_deviation():
    assert bound_sd(1.0, 3, 0.95) == pytest.approx((0.52, 6.28), abs=0.01)


@pytest.mark.parametrize(
    "how", [{"n": 1}, {"sd": -1.0}, {"sd": float("nan")}, {"level": 0.0}, {"margin": 0.0}]
)
def test_what_has_no_power(how):
    with pytest.raises(ValueError, match="got"):
        compute_power(**{"n": 5, "sd": 1.0, "margin": 0.5} | how)


def test_power_is_a_probability():
    with pytest.raises(ValueError, match="between 0 and 1, got 80"):
        count_seeds(1.0, 0.5, power=80)
