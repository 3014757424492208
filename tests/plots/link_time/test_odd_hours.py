"""The figure of hours with odd labels and odd numbers."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

from fedbytes.plots import NothingToDrawError, compare_codecs, sample_tables
from fedbytes.plots.link_time.hours_figure import draw_hours, duration_ticks
from fedbytes.plots.link_time.link import make_links
from fedbytes.plots.link_time.link_table import LinkComparison, show_seconds
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
