"""The metric against bytes by epsilon: one panel for all promises, a colour for each."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fedbytes.plots import FigureOptions, NothingToDrawError, make_figure, sample_tables
from fedbytes.plots.style import INK

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


def promised(*pairs, per_seed=0.0, seeds=(0, 1)):
    """Runs of one codec, for each relation and epsilon (None: no promise) those of all seeds."""
    parts, runs = [], []
    for relation, epsilon in pairs:
        made = sample_tables((1.0,), seeds=seeds, rounds=2, codecs=["fp32"])
        extra = made.results["seed"] * per_seed
        label = "dp central clip=1 ε={:g} δ=0.01 per client, {}, PLD"
        told = ["none"] * len(extra)
        if epsilon:
            told = [label.format(epsilon + more, relation) for more in extra]
        name = f"{relation} {epsilon} " + made.results["run"]
        spent = (epsilon or np.nan) + extra
        parts.append(made.results.assign(run=name, privacy=told, epsilon=spent))
        asked = {"privacy": [{"name": "dp", "epsilon": epsilon, "relation": relation}]}
        configs = made.runs["config"].map(lambda config, asked=asked: {**config, **asked})
        ids = f"{relation} {epsilon} " + made.runs["run"]
        runs.append(made.runs.assign(run=ids, config=configs))
    return replace(made, results=pd.concat(parts), runs=pd.concat(runs))


def colours_of(figure):
    (legend,) = figure.legends
    entries = zip(legend.get_texts(), legend.legend_handles, strict=True)
    return {text.get_text(): line.get_color() for text, line in entries}


def test_promises_of_one_codec_have_a_colour_each_and_none_is_black():
    pairs = [("add/remove", 2.0), ("add/remove", 8.0), ("", None)]
    figure = make_figure("epsilon").draw(promised(*pairs))
    found = colours_of(figure)
    assert set(found) == {"fp32", "fp32 · ε=2", "fp32 · ε=8"}
    assert len(set(found.values())) == 3
    assert found["fp32"] == INK
    (axis,) = [axis for axis in figure.axes if axis.lines]
    assert sorted(line.get_color() for line in axis.lines) == sorted(found.values())
    assert "2, 8 (add/remove)" in figure.get_supxlabel()


def test_promises_of_two_relations_do_not_share_a_panel():
    pairs = [("add/remove", 8.0), ("replace-one", 8.0), ("", None)]
    tables = promised(*pairs)
    figure = make_figure("epsilon").draw(tables)
    axes = [axis for axis in figure.axes if axis.lines]
    for axis, relation in zip(axes, ("add/remove", "replace-one"), strict=True):
        assert relation in axis.get_title()
        assert len(axis.lines) == 2
        assert INK in {line.get_color() for line in axis.lines}
    rows = make_figure("epsilon").rows(tables, FigureOptions())
    assert dict(zip(rows["codec"], rows["relation"], strict=True)) == {
        "fp32": "",
        "fp32 · ε=8 add/remove": "add/remove",
        "fp32 · ε=8 replace-one": "replace-one",
    }


def test_promises_to_clients_and_to_texts_do_not_share_a_panel():
    tables = promised(("add/remove", 8.0), ("add/remove", 2.0))
    texts = tables.results["epsilon"] == 2.0
    said = tables.results["privacy"]
    of_texts = said.str.replace("per client, add/remove", "per example, zero-out").where(
        texts, said
    )
    tables = replace(tables, results=tables.results.assign(privacy=of_texts))
    rows = make_figure("epsilon").rows(tables, FigureOptions())
    assert set(rows["relation"]) == {"add/remove", "zero-out of one example"}
    figure = make_figure("epsilon").draw(tables)
    assert len([axis for axis in figure.axes if axis.lines]) == 2


def test_seeds_that_draw_clients_otherwise_are_one_method():
    """Under local noise epsilon follows from how often a client was drawn."""
    tables = promised(("replace-one", 2.0), ("replace-one", 8.0), per_seed=0.25)
    rows = make_figure("epsilon").rows(tables, FigureOptions())
    assert rows.groupby("codec")["seed"].nunique().to_dict() == {
        "fp32 · ε=2.25": 2,
        "fp32 · ε=8.25": 2,
    }
    one = promised(("replace-one", 8.0), per_seed=0.25)
    assert set(make_figure("epsilon").rows(one, FigureOptions())["codec"]) == {"fp32"}


def test_a_store_without_promises_is_not_drawn():
    with pytest.raises(NothingToDrawError, match=r"set privacy.name=dp"):
        make_figure("epsilon").draw(sample_tables((1.0,), seeds=(0,), rounds=1))
