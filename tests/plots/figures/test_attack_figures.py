"""Figures of rules under attack: the cells, points and lines of whole and odd stores."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.text import Text

from fedbytes.plots import (
    FigureOptions,
    NothingToDrawError,
    check_figure,
    make_figure,
    sample_tables,
)
from fedbytes.plots.tables.attack_cells import (
    assumed_attackers,
    attack_cells,
    clients_of,
    rule_family,
    true_attackers,
)
from fedbytes.plots.testing.rule_tables import rule_tables

NAMES = ("attack_grid", "worst_attack", "assumed_attackers")
NNM = "nnm f=2 + trimmed_mean f=2"
FLIP = "sign_flip scale=5"


@pytest.fixture(scope="module")
def tables():
    return rule_tables(alphas=(0.1, 1.0))


def without(tables, **where):
    """Return tables that lack the runs whose columns are as named."""
    found = np.ones(len(tables.results), dtype=bool)
    for column, value in where.items():
        found &= (tables.results[column] == value).to_numpy()
    return replace(tables, results=tables.results[~found])


def words(figure):
    return [t.get_text() for t in figure.findobj(Text) if t.get_text() and t.get_visible()]


def test_cells_are_means_over_the_seeds_of_the_last_three_evaluations(tables):
    cells = attack_cells(tables)
    rows = tables.results
    chosen = rows[
        (rows["attack"] == FLIP) & (rows["defense"] == NNM) & (rows["codec"] == "nf4")
        & (rows["alpha"] == 0.1)
    ]  # fmt: skip
    ends = chosen.sort_values("round").groupby("run").tail(3).groupby("run")["accuracy"].mean()
    found = cells.cell(attack=FLIP, defense=NNM, codec="nf4", place="α = 0.1")
    assert (found.mean, found.n) == (pytest.approx(ends.mean()), 2)
    assert cells.attacks[0] == cells.defenses[0] == "none"
    assert cells.setting == "reuters-r8, minilm, 10 clients, 2 rounds, n = 2"
    assert cells.cell(attack="another").n == 0


def test_numbers_of_attackers_come_from_the_configuration():
    config = {
        "partition": {"num_clients": 20},
        "attack": [{"name": "sign_flip", "share": 0.2}, {"name": "alie", "share": 0.1}],
        "defense": [{"name": "nnm", "f": 2}, {"name": "trimmed_mean", "f": 4}],
    }
    assert (true_attackers(config), assumed_attackers(config)) == (4, 4)
    assert true_attackers(config | {"clients_per_round": 10}) == 2
    assert (true_attackers({}), assumed_attackers({})) == (0, None)
    assert clients_of({"partition": {"num_clients": "all"}}) is None
    assert rule_family("nnm f=12 + centered_clipping tau=0.5") == "nnm + centered_clipping tau=0.5"


def test_every_cell_of_the_grid_has_its_value_and_missing_ones_a_dash(tables):
    figure = make_figure("attack_grid").draw(without(tables, attack=FLIP, defense=NNM))
    cells = attack_cells(tables)
    panels = [axis for axis in figure.axes if axis.images]
    wanted = [(codec, place) for codec in cells.codecs for place in cells.places]
    for axis, (codec, place) in zip(panels, wanted, strict=True):
        title = axis.get_title()  # names of codecs may have their bits with them
        assert title.startswith(codec)
        assert title.endswith(f", {place}")
    for axis, (codec, place) in zip(
        panels, [(c, p) for c in cells.codecs for p in cells.places], strict=True
    ):
        drawn = {tuple(map(round, t.get_position())): t.get_text() for t in axis.texts}
        for row, rule in enumerate(cells.defenses):
            for column, attack in enumerate(cells.attacks):
                mean = cells.cell(codec=codec, place=place, defense=rule, attack=attack).mean
                lacks = (attack, rule) == (FLIP, NNM)
                assert drawn[column, row] == ("–" if lacks else f"{100 * mean:.0f}")


def test_a_line_is_at_the_worst_of_a_rules_attacks(tables):
    cells = attack_cells(tables)
    figure = make_figure("worst_attack").draw(tables)
    axis = figure.axes[0]
    line = next(line for line in axis.lines if len(line.get_xdata()) == 2)
    where = {"place": "α = 0.1", "defense": "none"}
    worst = sorted(
        100 * cells.cell(codec=codec, attack=FLIP, **where).mean for codec in cells.codecs
    )
    assert sorted(line.get_ydata()) == pytest.approx(worst)
    assert not any("Hollow" in text for text in words(figure))
    lacking = make_figure("worst_attack").draw(without(tables, attack=FLIP, defense=NNM))
    assert any("Hollow" in text for text in words(lacking))


def test_where_less_is_better_the_worst_is_the_largest(tables):
    rising = replace(
        tables, results=tables.results.assign(train_loss=1 - tables.results["accuracy"])
    )
    figures = [
        make_figure("worst_attack").draw(rising, FigureOptions(metric=m))
        for m in ("accuracy", "train_loss")
    ]
    accuracy, loss = (figure.axes[0].lines[0].get_ydata() for figure in figures)
    assert 1 - np.asarray(accuracy) / 100 == pytest.approx(np.asarray(loss))


def test_a_rule_of_several_numbers_is_drawn_against_them(tables):
    figure = make_figure("assumed_attackers").draw(tables)
    assert [t for t in words(figure) if t.startswith("nnm + trimmed_mean")]
    axis = figure.axes[0]
    assert sorted(axis.get_xticks()) == [0, 2]
    assert any(list(line.get_xdata()) == [2, 2] for line in axis.lines)  # two of ten attack
    one = without(tables, defense="nnm f=0 + trimmed_mean f=0")
    with pytest.raises(NothingToDrawError, match="several numbers"):
        make_figure("assumed_attackers").draw(one)


@pytest.mark.parametrize("name", NAMES)
def test_without_an_attack_there_is_nothing_to_draw(name):
    with pytest.raises(NothingToDrawError, match="no finished run has an attack"):
        make_figure(name).draw(sample_tables(seeds=(0,), rounds=1))


def test_a_metric_that_no_task_is_measured_by_is_said(tables):
    with pytest.raises(NothingToDrawError, match="measured by loss"):
        make_figure("attack_grid").draw(tables, FigureOptions(metric="loss"))


def test_labels_that_stand_for_a_rule_and_a_codec_are_rows_of_one_panel(tables):
    names = tables.results["defense"] + " behind " + tables.results["codec"]
    named = tables.results.assign(label=names, codec=names)
    cells = attack_cells(replace(tables, results=named))
    assert set(cells.defenses) == set(names)
    assert cells.codecs == ("",)
    figure = make_figure("attack_grid").draw(replace(tables, results=named))
    assert [axis.get_title() for axis in figure.axes if axis.images] == ["α = 0.1", "α = 1"]
    for empty in ("", np.nan):  # in a store, and in rows that were kept of it
        left_to_labels = replace(tables, results=named.assign(defense=empty))
        assert attack_cells(left_to_labels).defenses == cells.defenses


@pytest.mark.parametrize("name", NAMES)
def test_they_hold_the_contract_on_small_and_gappy_stores(name, tables):
    samples = {
        "one rule, one attack, one seed": rule_tables((FLIP,), ("none",), ("fp32",), (1.0,), (0,)),
        "gaps": without(without(tables, attack=FLIP, codec="nf4"), defense=NNM, alpha=0.1),
        "whole": tables,
        "many": rule_tables(
            ["none", *(f"attack_{i} scale=5" for i in range(14))],
            ["none", *(f"nnm f=4 + geometric_median iterations={i}" for i in range(9))],
            ("fp32",),
            (1.0,),
            (0,),
        ),
    }
    broken = [f for f in check_figure(make_figure(name), samples) if not f.passed]
    assert not broken, broken
