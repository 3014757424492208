"""Ratios of bytes to a target, with runs that miss it."""

from math import exp, isnan, log

import numpy as np
import pytest
from scipy import stats

from fedbytes.plots import Hit, compare_bytes
from fedbytes.plots.inference.bytes_ratio import censor, geometric_mean


def between(*values):
    return [Hit(float(value), "between") for value in values]


def missed(*values):
    return [Hit(float(value), "missed") for value in values]


def test_without_missed_runs_it_is_students_paired_interval_of_logarithms():
    own, base = [10, 12, 9, 14, 11], [200, 190, 240, 210, 205]
    found = compare_bytes(between(*own), between(*base))
    logs = np.log(base) - np.log(own)
    expected = stats.ttest_1samp(logs, 0).confidence_interval(0.95)
    assert found.ratio == pytest.approx(exp(logs.mean()))
    assert (log(found.low), log(found.high)) == pytest.approx(tuple(expected))
    assert (found.bound, found.reached, found.base_reached, found.n) == ("about", 5, 5, 5)


def test_no_run_reaches_it():
    found = compare_bytes(missed(10, 10, 10, 10, 10), between(240, 240, 240, 240, 240))
    assert (found.bound, found.reached) == ("below", 0)
    assert found.ratio == pytest.approx(24)
    assert isnan(found.low)
    other = compare_bytes(between(10, 10, 10), missed(240, 240, 240))
    assert (other.bound, other.base_reached) == ("above", 0)
    assert other.ratio == pytest.approx(24)
    assert compare_bytes(missed(10, 10), missed(240, 240)).bound == "unknown"


def test_too_few_reach_it_for_an_estimate():
    found = compare_bytes(between(8, 9) + missed(10, 10, 10), between(240, 250, 230, 240, 245))
    assert (found.bound, found.reached, found.n) == ("unknown", 2, 5)
    assert isnan(found.ratio)


def test_a_run_that_is_there_at_once_needs_no_more_than_that():
    own = [Hit(10.0, "at once")] * 5
    found = compare_bytes(own, between(240, 250, 230, 240, 245))
    assert (found.bound, found.reached) == ("above", 5)
    assert found.ratio == pytest.approx(24.1, abs=0.1)


def test_each_seed_says_what_it_knows():
    own = [*between(10), *missed(10), Hit(10.0, "at once"), *missed(10), Hit(10.0, "at once")]
    base = [*between(240), *between(240), *between(240), *missed(240), Hit(240.0, "at once")]
    found = compare_bytes(own, base)
    assert [sign for sign, _ in found.seeds] == ["=", "<", ">", "?", "?"]
    assert [value for _, value in found.seeds][:3] == pytest.approx([24, 24, 24])


def test_below_five_seeds_there_is_no_interval():
    found = compare_bytes(between(10, 11, 12, 13), between(240, 250, 230, 260))
    assert found.bound == "about"
    assert isnan(found.low)


def test_an_estimate_beyond_what_was_run_says_so():
    own = between(8, 9, 9.5) + missed(*[10] * 5)
    found = compare_bytes(own, between(240, 250, 230, 240, 245, 250, 240, 235))
    assert (found.bound, found.extrapolated) == ("about", True)
    assert not compare_bytes(between(8, 9, 9.5, 8.5) + missed(10), between(*[240] * 5)).extrapolated


def test_missed_runs_do_not_bias_the_ratio_as_survivors_do():
    """The issue's measure: within 3 % where the survivors' mean is off by 15 % and more."""
    random, true, share = np.random.default_rng(0), 16.0, 0.3
    end = 0.6 * stats.norm.isf(share)
    ratios, survivors, held = [], [], []
    for _ in range(400):
        shared = random.normal(size=10)
        base = 0.2 * shared
        own = 0.6 * (0.5 * shared + np.sqrt(0.75) * random.normal(size=10))
        runs = [Hit(exp(min(z, end)) / true, "missed" if z > end else "between") for z in own]
        found = compare_bytes(runs, between(*np.exp(base)))
        there = own <= end
        ratios.append(log(found.ratio))
        survivors.append((base[there] - own[there]).mean() + log(true))
        held.append(found.low <= true <= found.high)
    assert exp(np.mean(ratios)) == pytest.approx(true, rel=0.03)
    assert exp(np.mean(survivors)) > 1.15 * true
    assert np.mean(held) > 0.92


def test_geometric_mean_and_scipys_data():
    hits = between(1, 2, 4) + missed(8)
    assert geometric_mean(between(1, 4)) == pytest.approx(2)
    assert geometric_mean(hits) > 2.5
    assert isnan(geometric_mean(between(1, 2) + missed(4)))
    data = censor([*hits, Hit(0.5, "at once")])
    assert (len(data), data.num_censored()) == (5, 2)


def test_runs_are_compared_in_pairs():
    with pytest.raises(ValueError, match="in pairs, got 1 and 2"):
        compare_bytes(between(1), between(1, 2))
    with pytest.raises(ValueError, match="in pairs, got 0 and 0"):
        compare_bytes([], [])
