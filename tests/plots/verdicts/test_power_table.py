"""The seeds that verdicts need, from a store with a known spread."""

from math import isnan

import numpy as np
import pytest
from known_stores import changed, store_of

from fedbytes.plots import count_seeds, measure_power
from fedbytes.plots.verdicts.power_text import explain_power, power_text

NOISE = np.array([-1.0, 0.5, 0.0, 1.0, -0.5, 0.3]) / 1000


def test_seeds_follow_from_the_paired_spread():
    frame = measure_power(store_of({"a": NOISE, "b": NOISE[::-1] * 10}), 0.005)
    found = frame.set_index("codec")
    sd = np.std(NOISE, ddof=1)
    assert found.loc["b", "paired_sd"] == pytest.approx(10 * sd)
    assert found.loc["b", "seeds"] == count_seeds(10 * sd, 0.005)
    assert found.loc["b", "seeds_holm"] == count_seeds(10 * sd, 0.005, level=0.025)
    assert found.loc["a", "seeds"] == 5
    assert found.loc["b", "sd_low"] < 10 * sd < found.loc["b", "sd_high"]
    assert found.loc["b", "seeds_low"] < found.loc["b", "seeds_holm"] < found.loc["b", "seeds_high"]
    assert found.loc["a", "power_now"] > 0.99 > found.loc["b", "power_now"]
    # Seeds add 0.01 each to all codecs alike: sd of 0, 1, … 5 hundredths.
    assert found.loc["a", "shared_sd"] == pytest.approx(0.0187, abs=0.001)
    assert found.loc["a", "correlation"] > 0.99


def test_what_is_printed():
    frame = measure_power(store_of({"a": NOISE * 10}), 0.005, power=0.9, difference=-0.001)
    shown = power_text(frame).iloc[0]
    assert shown["n"] == "6"
    assert shown["Paired sd"].startswith("0.72 (")
    words = " ".join(explain_power(frame))
    assert "90 % power" in words
    assert "is −0.10" in words
    assert "a seed gives all codecs alike a deviation of 1.99" in words


def test_a_method_with_fewer_pairs_is_left_open():
    tables = changed(store_of({"a": NOISE, "b": NOISE}), drop=[f"b-{seed}" for seed in range(4)])
    frame = measure_power(tables).set_index("codec")
    assert isnan(frame.loc["b", "seeds"])
    assert frame.loc["a", "seeds"] == 5
    text = power_text(frame.reset_index()).set_index("Codec")
    assert text.loc["b", "Seeds alone"] == "–"
    assert any("fewer than 3 pairs" in line for line in explain_power(frame.reset_index()))


def test_more_than_can_be_run():
    frame = measure_power(store_of({"a": NOISE * 1e3}, wobble=0.0))
    assert power_text(frame)["Seeds alone"].iloc[0] == "over 10,000"


@pytest.mark.parametrize("seeds", [1, 2])
def test_two_seeds_have_no_spread(seeds):
    tables = store_of({"a": NOISE[:seeds]}, seeds=range(seeds))
    with pytest.raises(ValueError, match=f"at least 3 seeds .* with 'fp32', .* has {seeds}"):
        measure_power(tables)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"power": 1.5}, "between 0 and 1, got 1.5"),
        ({"margin": -1.0}, "above 0"),
        ({"metric": "bleu"}, "'bleu'"),
    ],
)
def test_questions_that_cannot_be_answered(how, words):
    with pytest.raises(ValueError, match=words):
        measure_power(store_of({"a": NOISE}), **how)
