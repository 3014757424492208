"""Figures show what the protocol declares, and say what was chosen after the runs."""

from dataclasses import replace

import pytest

from fedbytes.experiments.config.declaration.protocol import Protocol
from fedbytes.plots import FigureOptions, compare_codecs, make_figure, sample_tables, summary
from fedbytes.plots.output.render import drawings
from fedbytes.plots.store_figure import as_declared
from fedbytes.plots.tables.declared_protocol import DeclaredProtocol

TABLES = sample_tables((1.0,), seeds=(0, 1, 2, 3, 4), rounds=6, codecs=["fp32", "nf4"])


def declared(**fields):
    protocol = Protocol(**fields)
    return replace(TABLES, declared=DeclaredProtocol(protocol, protocol.digest, (), 0, 10))


def test_what_is_left_open_is_as_declared():
    tables = declared(margin=0.02, targets=(0.6, 0.7), final="last2", baseline="nf4")
    asked = as_declared(tables)
    assert (asked.margin, asked.target, asked.targets) == (0.02, 0.6, (0.6, 0.7))
    assert (asked.final, asked.baseline, dict(asked.notes)) == ("last2", "nf4", {})
    assert as_declared(tables, asked) == asked
    assert summary(tables)["target"].unique().tolist() == [0.6]


def test_figures_and_tables_are_of_the_declared_metric():
    tables = declared(metric="own_accuracy")
    halved = tables.results.assign(own_accuracy=tables.results["accuracy"] / 2)
    tables = replace(tables, results=halved)
    (drawn,) = drawings(tables, figures=[make_figure("bytes")])
    assert drawn.options.metric == "own_accuracy"
    assert "after" not in drawn.figure.get_supxlabel()
    assert compare_codecs(tables).metric.name == "own_accuracy"
    assert len(compare_codecs(tables).final(compare_codecs(tables).settings[0])) == 10
    assert compare_codecs(declared()).metric.name == "accuracy"


def test_figures_are_drawn_with_the_declared_targets():
    drawn = make_figure("target").draw(declared(targets=(0.6, 0.7)))
    heads = [axis.get_title(loc="left") for axis in drawn.axes]
    assert [head for head in heads if head] == ["≥ 60.0 %", "≥ 70.0 %"]
    assert "after" not in drawn.get_supxlabel()


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("target", {"target": 0.65}, "target was chosen after the runs: the protocol declares 0.6"),
        ("differences", {"target": 0.65}, "target was chosen after the runs"),
        ("verdict", {"margin": 0.05}, "margin was chosen after the runs: the protocol declares"),
        (
            "pareto",
            {"final": "last"},
            "final was chosen after the runs: the protocol declares last3",
        ),
    ],
)
def test_a_figure_says_what_was_chosen_after_the_runs(name, options, said):
    tables = declared(margin=0.02, targets=(0.6, 0.7))
    words = " ".join(
        make_figure(name).draw(tables, FigureOptions(**options)).get_supxlabel().split()
    )
    assert said in words
    assert "chosen after" not in make_figure(name).draw(tables).get_supxlabel()


def test_another_metric_takes_neither_margin_nor_targets():
    tables = declared(metric="accuracy", margin=0.02, targets=(0.6, 0.7))
    asked = as_declared(tables, FigureOptions(metric="macro_f1"))
    assert (asked.margin, asked.target, asked.targets) == (None, None, ())
    assert "metric" in asked.notes
