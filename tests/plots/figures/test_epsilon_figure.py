"""The metric against bytes by epsilon: one panel for all promises, a colour for each."""

from dataclasses import replace

import numpy as np
import pytest

from fedbytes.plots import FigureOptions, NothingToDrawError, make_figure, sample_tables

PROMISES = {"fp32": None, "nf4": 8.0, "ecsq 1.1 bit + EF": 2.0}


@pytest.fixture(scope="module")
def tables():
    made = sample_tables((1.0,), seeds=(0, 1), rounds=3)
    kept = made.results[made.results["codec"].isin(PROMISES)].copy()
    promised = kept["codec"].map(PROMISES).astype(float)
    kept["epsilon"] = promised * np.sqrt(kept["round"] / 3)
    kept["privacy"] = [f"dp ε={value:g}" if value > 0 else "none" for value in promised]
    return replace(made, results=kept)


def test_promises_share_a_panel_and_colour_follows_epsilon(tables):
    figure = make_figure("epsilon").draw(tables)
    (axis,) = [axis for axis in figure.axes if axis.lines]
    (legend,) = figure.legends
    entries = zip(legend.get_texts(), legend.legend_handles, strict=True)
    colours = {text.get_text().split(",")[0]: line.get_color() for text, line in entries}
    assert set(colours) == set(PROMISES)
    assert len(set(colours.values())) == 3
    assert {line.get_color() for line in axis.lines} >= set(colours.values())
    light = {
        name: sum(int(colour[i : i + 2], 16) for i in (1, 3, 5)) for name, colour in colours.items()
    }
    assert light["nf4"] > light["ecsq 1.1 bit + EF"]


def test_rows_have_each_run_with_its_whole_epsilon(tables):
    rows = make_figure("epsilon").rows(tables, FigureOptions())
    assert len(rows) == 2 * len(PROMISES)
    found = rows.groupby("codec")["epsilon"].max()
    assert found["nf4"] == 8.0
    assert found["ecsq 1.1 bit + EF"] == 2.0
    assert set(rows["promise"]) == {"none", "dp ε=8", "dp ε=2"}


def test_a_store_without_promises_is_not_drawn():
    with pytest.raises(NothingToDrawError, match=r"set privacy.name=dp"):
        make_figure("epsilon").draw(sample_tables((1.0,), seeds=(0,), rounds=1))
