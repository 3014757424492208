"""Bytes to target and paired differences, by hand."""

import itertools
from dataclasses import replace
from math import isnan

import numpy as np
import pytest
from scipy import stats
from synthetic import by_hand

from fedbytes.experiments.config.target import parse_target
from fedbytes.plots import make_figure, sample_tables
from fedbytes.plots.drawing.paired_differences import compare_with_baseline
from fedbytes.plots.tables.comparison import compare_codecs
from fedbytes.plots.tables.target_bytes import (
    find_bytes_to_target,
    measure_target_bytes,
    resolve_target,
)

RUNS = {
    ("fp32", 0): [(100, 0.5), (200, 0.90), (300, 0.95)],
    ("fp32", 1): [(100, 0.6), (200, 0.94), (300, 0.96)],
    ("small", 0): [(10, 0.4), (20, 0.7), (30, 0.91)],
    ("small", 1): [(10, 0.4), (20, 0.92), (30, 0.88)],
    ("tiny", 0): [(1, 0.1), (2, 0.2), (3, 0.3)],
    ("tiny", 1): [(1, 0.1), (2, 0.2), (3, 0.9)],
}


def by_its_end(*given):
    """Return tables whose runs are worth their last evaluation."""
    return replace(by_hand(*given), final="last")


def test_first_evaluated_round_past_the_target():
    chosen = compare_codecs(by_its_end(RUNS))
    setting = chosen.settings[0]
    assert find_bytes_to_target(chosen, setting, "fp32", 0.9) == {0: 200.0, 1: 200.0}
    # Falling below again does not undo it.
    assert find_bytes_to_target(chosen, setting, "small", 0.9) == {0: 30.0, 1: 20.0}
    tiny = find_bytes_to_target(chosen, setting, "tiny", 0.9)
    assert isnan(tiny[0])
    assert tiny[1] == 3.0


def test_ratio_is_paired_by_seed_and_geometric():
    chosen = compare_codecs(by_its_end(RUNS))
    fp32, small, tiny = measure_target_bytes(chosen, chosen.settings[0], 0.9)
    assert (fp32.codec, small.codec, tiny.codec) == ("fp32", "small", "tiny")
    assert fp32.ratio.mean == 1.0
    assert small.bytes.mean == pytest.approx(np.sqrt(30 * 20))
    assert small.ratio.mean == pytest.approx(np.sqrt(200 / 30 * 200 / 20))
    logs = stats.ttest_1samp(np.log([200 / 30, 200 / 20]), 0).confidence_interval(0.95)
    assert (small.ratio.low, small.ratio.high) == pytest.approx(tuple(np.exp(logs)))
    assert (tiny.reached, tiny.seeds, tiny.ratio.n) == (1, 2, 1)
    assert tiny.spent == 3.0


def test_default_target():
    chosen = compare_codecs(by_its_end(RUNS))
    value, words = resolve_target(chosen, chosen.settings[0], None)
    assert value == pytest.approx(0.98 * (0.95 + 0.96) / 2)
    assert "fp32" in words


def test_perplexity_falls_to_its_target():
    runs = {
        ("fp32", 0): [(100, 30.0), (200, 12.0), (300, 10.0)],
        ("small", 0): [(10, 40.0), (20, 11.0), (30, 10.1)],
    }
    chosen = compare_codecs(by_its_end(runs, "perplexity"))
    setting = chosen.settings[0]
    assert not chosen.metric.rises
    assert resolve_target(chosen, setting, None)[0] == pytest.approx(10.0 / 0.98)
    assert find_bytes_to_target(chosen, setting, "small", 11.5) == {0: 20.0}
    assert [item.ratio.mean for item in measure_target_bytes(chosen, setting, 11.5)] == [1.0, 15.0]


def test_without_a_baseline_the_best_codec_sets_the_target():
    runs = {key: points for key, points in RUNS.items() if key[0] != "fp32"}
    chosen = compare_codecs(by_its_end(runs))
    assert chosen.baseline is None
    value, words = resolve_target(chosen, chosen.settings[0], None)
    assert value == pytest.approx(0.98 * (0.91 + 0.88) / 2)
    assert "small" in words
    assert all(item.ratio.n == 0 for item in measure_target_bytes(chosen, chosen.settings[0], 0.9))
    assert compare_with_baseline(by_hand(runs), chosen, chosen.settings[0]) == []


def test_without_a_baseline_the_lowest_perplexity_sets_the_target():
    runs = {("one", 0): [(100, 30.0), (200, 12.0)], ("two", 0): [(10, 40.0), (20, 11.0)]}
    chosen = compare_codecs(by_its_end(runs, "perplexity"))
    value, words = resolve_target(chosen, chosen.settings[0], None)
    assert value == pytest.approx(11.0 / 0.98)
    assert "two" in words


def test_paired_difference_is_scipys_paired_t_test():
    rng = np.random.default_rng(0)
    base = rng.normal(0.9, 0.05, 6)
    own = base - 0.01 + rng.normal(0, 0.002, 6)
    runs = {("fp32", s): [(100, base[s])] for s in range(6)}
    runs |= {("small", s): [(10, own[s])] for s in range(6)}
    chosen = compare_codecs(by_its_end(runs))
    (found,) = compare_with_baseline(by_hand(runs), chosen, chosen.settings[0])
    expected = stats.ttest_rel(own, base).confidence_interval(0.95)
    assert (found.metric.low, found.metric.high) == pytest.approx(tuple(expected))
    assert found.metric.n == 6


def test_only_seeds_that_both_have_are_paired():
    runs = {key: points for key, points in RUNS.items() if key != ("fp32", 1)}
    chosen = compare_codecs(by_its_end(runs))
    small = compare_with_baseline(by_hand(runs), chosen, chosen.settings[0], target=0.9)[0]
    assert small.metrics == (pytest.approx(0.91 - 0.95),)
    # One evaluation past the target does not last: the run counts as needing more than it spent.
    assert small.ratio.bound == "below"
    assert small.ratio.seeds == (("<", pytest.approx(200 / 30)),)
    assert isnan(small.metric.low)


def test_a_target_relative_to_the_baseline():
    chosen = compare_codecs(by_its_end(RUNS))
    setting = chosen.settings[0]
    mean = resolve_target(chosen, setting, None)[0] / 0.98
    value, words = resolve_target(chosen, setting, "baseline-0.005")
    assert value == pytest.approx(mean - 0.005)
    assert words == "fp32's final mean − 0.5"
    assert resolve_target(chosen, setting, "baseline + 0.01")[0] == pytest.approx(mean + 0.01)
    assert resolve_target(chosen, setting, 0.9) == (0.9, "given")


def test_targets_as_they_are_written():
    assert parse_target(None) is None
    assert parse_target("0.92") == 0.92
    assert parse_target(" baseline-0.005") == "baseline-0.005"
    with pytest.raises(ValueError, match=r"number, or baseline-0.005 .* got 'basline-1'"):
        parse_target("basline-1")


def test_a_target_that_a_constant_answer_almost_reaches_has_no_ratio():
    made = sample_tables(rounds=4)
    made.runs["constant_accuracy"] = 0.9
    chosen = compare_codecs(made)
    found = compare_with_baseline(made, chosen, chosen.settings[0])
    assert all(one.too_easy and one.ratio is None for one in found)
    figure = make_figure("differences").draw(made)
    assert "target too easy" in {text.get_text() for axis in figure.axes for text in axis.texts}


@pytest.mark.parametrize("name", ["short", "a_scheme_whose_name_is_longer"])
def test_a_settings_title_takes_no_width_from_its_panels(name):
    made = sample_tables(rounds=4)
    made.results["partition"] = name
    figure = make_figure("target").draw(made)
    figure.draw_without_rendering()
    boxes = [axis.get_position() for axis in figure.axes[:3]]
    gaps = [right.x0 - left.x1 for left, right in itertools.pairwise(boxes)]
    assert gaps[0] == pytest.approx(gaps[1], abs=0.03)
    assert min(box.width for box in boxes) > 0.12
