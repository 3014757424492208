"""What is left of an attack after it ends: lines, half-lives and what is left out."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fedbytes.plots import FigureOptions, NothingToDrawError, make_figure, sample_tables
from fedbytes.plots.testing.sample_tables import attacked_tables

FIGURE = make_figure("durability")


def test_success_is_drawn_from_the_end_of_the_attack():
    tables = attacked_tables(until=5, rounds=12)
    figure = FIGURE.draw(tables)
    success, accuracy = figure.axes
    assert [axis.get_title() for axis in figure.axes] == [
        "Attack success (%)",
        "Accuracy on unchanged texts (%)",
    ]
    whole = [line for line in success.lines if len(line.get_xdata()) == 12]
    curves = [line for line in whole if line.get_linewidth() > 0.7]  # others are seeds
    assert len(curves) == 4
    np.testing.assert_array_equal(curves[0].get_xdata(), np.arange(-4, 8))
    np.testing.assert_allclose(curves[0].get_ydata()[[4, 6, 8]], [100, 50, 25])
    diamonds = [line for line in success.lines if len(line.get_xdata()) == 1]
    assert [float(line.get_xdata()[0]) for line in diamonds] == [2, 3, 5]
    assert all(float(line.get_ydata()[0]) == pytest.approx(50) for line in diamonds)
    assert all(len(line.get_xdata()) > 1 for line in accuracy.lines)
    (legend,) = figure.legends
    said = [text.get_text() for text in legend.get_texts()]
    assert said[0] == "fp32: 2.0 rounds"
    assert said[-1].endswith(": over 7 rounds")


def test_numbers_are_those_of_the_end_and_of_the_last_round():
    rows = FIGURE.rows(attacked_tables(until=5, rounds=12), FigureOptions()).set_index("method")
    assert rows.loc["fp32", "half_life"] == 2
    assert rows.loc["fp32", "attack_success_at_end"] == pytest.approx(1)
    assert rows.loc["fp32", "attack_success_last"] == pytest.approx(0.5 ** (7 / 2))
    assert rows["halved"].tolist() == [3, 3, 3, 0]
    assert rows["attack_chance_last"].eq(0.02).all()


def test_runs_without_an_end_are_left_out():
    with pytest.raises(NothingToDrawError, match="no run has an attack whose success"):
        FIGURE.draw(sample_tables())
    with pytest.raises(NothingToDrawError, match=r"ends \(until_round\) before the run does"):
        FIGURE.draw(attacked_tables(until=12, rounds=12))


def test_runs_that_did_not_halve_count_as_longer():
    tables = attacked_tables(until=5, rounds=12)
    ids = tables.results.loc[tables.results["codec"] == "fp32", "run"].unique()
    first, second, third = tables.runs.index[tables.runs["run"].isin(ids)]
    lives = tables.runs["attack_half_life"].copy()
    lives[[second, third]] = 6.0, np.nan
    for known, median, said in ((2.0, 6.0, "6.0 (halved in 2 of 3)"), (np.nan, np.inf, "over 7")):
        lives[first] = known
        one = replace(tables, runs=tables.runs.assign(attack_half_life=lives))
        rows = FIGURE.rows(one, FigureOptions()).set_index("method")
        assert rows.loc["fp32", "half_life"] == median
        (legend,) = FIGURE.draw(one).legends
        assert legend.get_texts()[0].get_text().startswith(f"fp32: {said}")


def test_one_run_has_no_band():
    tables = attacked_tables(until=5, rounds=12)
    seeds = tables.results[tables.results["seed"] == tables.results["seed"].min()]
    one = replace(tables, results=seeds)
    (axis, _) = FIGURE.draw(one).axes
    drawn = [path for band in axis.collections for path in band.get_paths()]
    assert not any(np.isfinite(path.vertices).any() for path in drawn)


@pytest.mark.parametrize(
    ("seeds", "band", "words"), [(3, False, "thin: seeds"), (5, True, "bands")]
)
def test_below_five_seeds_lines_are_seeds_and_there_is_no_band(seeds, band, words):
    tables = attacked_tables(until=5, rounds=12)
    first = tables.results[tables.results["seed"] == tables.results["seed"].min()]
    copies = [first.assign(seed=s, run=first["run"] + f"-{s}", accuracy=first["accuracy"] - s / 100)
              for s in range(seeds)]  # fmt: skip
    runs = tables.runs[tables.runs["run"].isin(set(first["run"]))]
    named = [runs.assign(seed=s, run=runs["run"] + f"-{s}") for s in range(seeds)]
    made = replace(tables, results=pd.concat(copies), runs=pd.concat(named))
    figure = FIGURE.draw(made)
    axis = figure.axes[1]
    drawn = [path for part in axis.collections for path in part.get_paths()]
    assert any(np.isfinite(path.vertices).all() for path in drawn) == band
    methods = first["codec"].nunique()
    thin = [line for line in axis.lines if line.get_linewidth() < 0.7]
    assert len(thin) == (0 if band else seeds * methods)
    assert words in figure.get_supxlabel().replace("\n", " ")


def test_where_no_backdoor_got_in_there_is_none_to_last():
    tables = attacked_tables(until=5, rounds=12)
    kept_out = tables.results["codec"] == "fp32"
    success = tables.results["attack_success"].where(~kept_out, 0.0)
    tables = replace(tables, results=tables.results.assign(attack_success=success))
    (legend,) = FIGURE.draw(tables).legends
    assert legend.get_texts()[0].get_text() == "fp32: no backdoor"
    lives = FIGURE.rows(tables, FigureOptions()).set_index("method")["half_life"]
    assert np.isnan(lives["fp32"])
    assert not np.isnan(lives.drop("fp32")).any()
