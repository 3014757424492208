"""The figure of hours with odd labels and odd numbers."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

from fedbytes.plots import NothingToDrawError, compare_codecs, sample_tables
from fedbytes.plots.link_time.hours_figure import draw_hours, duration_ticks
from fedbytes.plots.link_time.link import make_links
from fedbytes.plots.link_time.link_table import LinkComparison, link_table, show_seconds
from fedbytes.plots.testing.sample_tables import ODD_LABELS, name_codecs

TABLES = name_codecs(sample_tables(seeds=(0, 1), rounds=2), ODD_LABELS)
(ADSL,) = make_links("adsl")


@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"accuracy": [1e200, 0.5, 0.7]},
        {"accuracy": [np.inf, 0.5, 0.6, -np.inf, 0.8]},
        {"total_bytes": [0.0, 1e200, np.inf, 5.0]},
        {"total_bytes": [0.0]},
    ],
)
def test_hours_are_drawn_whatever_they_are(columns):
    count = len(TABLES.results)
    odd = {name: np.resize(values, count) for name, values in columns.items()}
    tables = replace(TABLES, results=TABLES.results.assign(**odd))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            figure = draw_hours([LinkComparison(ADSL, compare_codecs(tables))])
        except NothingToDrawError:
            assert set(odd) == {"total_bytes"}
            return
        figure.draw_without_rendering()
    shown = {text.get_text() for text in figure.legends[0].get_texts()}
    assert len(shown) == len(ODD_LABELS)
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.width


@pytest.mark.parametrize(
    ("ends", "shown"),
    [
        ((0.05, 2.2), ["0.05 s", "0.2 s", "1 s"]),
        ((3, 40), ["5 s", "10 s", "20 s", "30 s"]),
        ((50, 4000), ["60 s", "10 min", "60 min"]),
        ((2e5, 5e6), ["4 d", "7 d", "14 d", "30 d"]),
    ],
)
def test_an_axis_of_time_has_round_ticks(ends, shown):
    assert [show_seconds(tick) for tick in duration_ticks(*ends)] == shown


def test_runs_that_miss_the_target_are_not_left_out_of_its_hours():
    tables = sample_tables((1.0,), seeds=(0, 1, 2, 3), rounds=4, codecs=["fp32", "nf4"])
    rows = tables.results
    # A round takes 100 to 130 seconds, by seed; the target lies half way between rounds 2 and 3.
    seconds = rows["round"] * (100.0 + 10 * rows["seed"])
    values = rows["round"].map({0: 0.2, 1: 0.5, 2: 0.6, 3: 0.8, 4: 0.8})
    missed = (rows["codec"] == "nf4") & (rows["seed"] == 3)
    rows = rows.assign(accuracy=values.where(~missed, 0.5), total_bytes=seconds)
    over = LinkComparison(ADSL, compare_codecs(replace(tables, results=rows)))
    found = link_table(tables, [over], target=0.7).set_index("codec")
    each = [np.sqrt(6) * second / 3600 for second in (100, 110, 120, 130)]
    assert found.loc["fp32", "hours_to_target"] == pytest.approx(np.prod(each) ** 0.25)
    assert (found.loc["fp32", "reached"], found.loc["nf4", "reached"]) == (4, 3)
    assert found.loc["nf4", "runs"] == 4
    survivors = np.prod(each[:3]) ** (1 / 3)
    assert found.loc["nf4", "hours_to_target"] > 1.02 * survivors
    assert found.loc["nf4", "hours"] == pytest.approx(460 / 3600)


def test_where_all_runs_begin_past_the_target_hours_are_those_of_the_first_evaluation():
    tables = sample_tables((1.0,), seeds=(0, 1, 2), rounds=3, codecs=["fp32"])
    rows = tables.results[tables.results["round"] > 0]
    rows = rows.assign(accuracy=0.9, total_bytes=100.0 * rows["round"])
    over = LinkComparison(ADSL, compare_codecs(replace(tables, results=rows)))
    found = link_table(tables, [over], target=0.7).set_index("codec").loc["fp32"]
    assert found["hours_to_target"] == pytest.approx(100 / 3600)
    assert (found["reached"], found["runs"]) == (3, 3)
