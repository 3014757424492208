"""Hits that last: by hand, and as isotonic regression has them."""

from math import nan, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import isotonic_regression

from fedbytes.plots import Hit, check_target, find_hit

BYTES = [1.0, 2.0, 4.0, 8.0, 16.0]


@pytest.mark.parametrize(
    ("values", "hit"),
    [
        ([0.1, 0.2, 0.5, 0.7, 0.8], Hit(4 * sqrt(2), "between")),  # half way from 4 to 8 in logs
        ([0.1, 0.2, 0.6, 0.7, 0.8], Hit(4.0, "between")),  # at the target itself
        ([0.7, 0.1, 0.1, 0.1, 0.1], Hit(16.0, "missed")),  # one early evaluation, and below after
        ([0.7, 0.1, 0.5, 0.7, 0.8], Hit(4 * sqrt(2), "between")),  # the early one does not count
        ([0.1, 0.1, 0.1, 0.1, 0.9], Hit(16.0, "missed")),  # nothing follows the last evaluation
        ([0.1, 0.1, 0.5, 0.7, 0.7], Hit(4 * sqrt(2), "between")),
        ([0.5, 0.7, 0.7, 0.58, 0.7], Hit(sqrt(2), "between")),  # a dip after time above
        ([0.9, 0.9, 0.9, 0.9, 0.9], Hit(1.0, "at once")),
        ([0.6] * 5, Hit(1.0, "at once")),
        ([0.5, 0.7, nan, nan, nan], Hit(16.0, "missed")),  # diverged
        ([0.5, nan, 0.7, 0.7, 0.7], Hit(4.0, "between")),
    ],
)
def test_where_a_run_reaches_the_target_for_good(values, hit):
    found = find_hit(BYTES, values, 0.6)
    assert found.kind == hit.kind
    assert found.bytes == pytest.approx(hit.bytes)


def test_a_metric_that_falls():
    found = find_hit(BYTES, [9.0, 5.0, 3.0, 2.0, 2.0], 4.0, rises=False)
    assert found.bytes == pytest.approx(2 * sqrt(2))
    assert find_hit(BYTES, [9, 5, float("inf"), 2, 2], 1.0, rises=False).kind == "missed"


@given(st.lists(st.integers(0, 10), min_size=2, max_size=9))
def test_it_is_where_the_isotonic_curve_passes_the_target(values):
    target = 4.5
    found = find_hit(2.0 ** np.arange(len(values)), values, target)
    curve = isotonic_regression(np.array(values, float)).x
    past = np.flatnonzero(curve >= target - 1e-9)
    if past.size < 2:  # nothing follows
        assert found.kind == "missed"
    elif past[0] == 0:
        assert found == Hit(1.0, "at once")
    else:
        assert past[0] - 1 < np.log2(found.bytes) <= past[0] + 1e-9


def test_what_is_no_run():
    with pytest.raises(ValueError, match="at least one of each, got 0 and 0"):
        find_hit([], [], 0.5)
    with pytest.raises(ValueError, match="got 2 and 1"):
        find_hit([1, 2], [1], 0.5)
    with pytest.raises(ValueError, match="never fall"):
        find_hit([2, 1], [1, 1], 0.5)
    assert find_hit([1, 1, 2], [0.1, 0.9, 0.9], 0.5).bytes == 1  # a round without a message
    with pytest.raises(ValueError, match="above 0"):
        find_hit([0, 1], [1, 1], 0.5)
    with pytest.raises(ValueError, match="finite number, got nan"):
        find_hit([1, 2], [1, 1], nan)


def test_a_target_near_the_constant_answer_is_refused():
    check_target(0.545, 0.495)
    check_target(1.9, 2.08, rises=False)
    with pytest.raises(ValueError, match=r"target 0.518 is within 0.05 .* \(0.495\).* above 0.545"):
        check_target(0.518, 0.495)
    with pytest.raises(ValueError, match=r"below 2\.03"):
        check_target(2.05, 2.08, rises=False)
    with pytest.raises(ValueError, match="within"):
        check_target(nan, 0.5)
