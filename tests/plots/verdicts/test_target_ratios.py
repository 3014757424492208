"""Lasting hits of a store's runs."""

import pytest
from synthetic import by_hand

from fedbytes.plots import Hit, compare_codecs, measure_hits
from fedbytes.plots.inference.bytes_ratio import compare_bytes
from fedbytes.plots.verdicts.target_ratios import describe_ratio, describe_reached, find_hits

RUNS = {
    ("fp32", 0): [(100, 0.5), (200, 0.92), (300, 0.95)],
    ("small", 0): [(10, 0.95), (20, 0.5), (30, 0.4)],
    ("start", 0): [(0, 0.99), (10, 0.2), (20, 0.3)],
}


def test_one_row_a_run():
    tables = by_hand(RUNS)
    frame = measure_hits(tables, compare_codecs(tables), 0.9).set_index("codec")
    assert frame.loc["fp32", "bytes"] == pytest.approx(100 * 2 ** (0.4 / 0.42))
    assert frame["kind"].to_dict() == {"fp32": "between", "small": "missed", "start": "missed"}
    assert (frame["target"] == 0.9).all()
    assert frame.loc["start", "bytes"] == 20  # nothing was sent for the state before training


def test_runs_stand_in_the_order_of_seeds_however_many_there_are():
    seeds = [*range(19, -1, -2), *range(0, 20, 2)]
    tables = by_hand({("fp32", seed): RUNS["fp32", 0] for seed in seeds})
    chosen = compare_codecs(tables)
    found = find_hits(tables, chosen, chosen.settings[0], 0.9)["fp32"]
    assert list(found) == list(range(20))


def hits(kind, *values):
    return [Hit(float(value), kind) for value in values]


def test_words_of_ratios():
    base = hits("between", 240, 250, 230, 240, 245)
    estimate = compare_bytes(hits("between", 10, 11, 9, 10, 12), base)
    assert describe_ratio(estimate, 5).startswith("23.3 × (")
    below = compare_bytes(hits("missed", *[10] * 5), base)
    assert describe_ratio(below, 5) == "below 24.1 ×"
    unknown = compare_bytes(hits("between", 8, 9) + hits("missed", 10, 10, 10), base)
    assert describe_ratio(unknown, 5) == "–"
    few = compare_bytes(hits("between", 10) + hits("missed", 10, 10), base[:2] + hits("missed", 99))
    assert describe_ratio(few, 5) == "24, <25, ?"
    loose = compare_bytes(hits("between", 7, 8, 9) + hits("missed", *[10] * 4), [*base, *base[:2]])
    assert describe_ratio(loose, 5).endswith(", extrapolated")


def test_words_of_runs():
    assert describe_reached(dict(enumerate(hits("between", 1, 2) + hits("missed", 3)))) == (
        "2 of 3 reached"
    )
    assert describe_reached(dict(enumerate(hits("missed", 3000, 2000)))) == (
        "0 of 2 reached with 3 kB"
    )
