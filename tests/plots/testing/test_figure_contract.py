"""Every figure keeps the contract, and the contract finds a figure that breaks it."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from fedbytes.plots import (
    FIGURES,
    FigureOptions,
    NothingToDrawError,
    StoreFigure,
    Tables,
    add_note,
    check_figure,
    compare_codecs,
    figure_names,
    make_figure,
    make_panels,
)

CASES = [
    (name, fields)
    for name in figure_names()
    for fields in (*FIGURES.get(name).examples, *([{"seed": 1}] if name == "partition" else []))
]


@pytest.mark.parametrize(
    ("name", "fields"), CASES, ids=lambda x: x if isinstance(x, str) else json.dumps(x)
)
def test_every_figure_keeps_the_contract(name: str, fields: dict[str, object]) -> None:
    findings = check_figure(make_figure(name, **fields))
    assert len(findings) == 7
    assert [f"{f.property}: {f.message}" for f in findings if not f.passed] == []


@dataclass(frozen=True)
class Wrong(StoreFigure):
    """A figure with one fault."""

    fault: str = ""

    name = "wrong"
    caption = "What goes wrong."

    @property
    def title(self) -> str:
        return "" if self.fault == "no title" else "Something wrong"

    def rows(self, tables: Tables, options: FigureOptions) -> object:
        return [1, 2] if self.fault == "rows are a list" else None

    def _draw(self, tables: Tables, options: FigureOptions) -> object:
        comparison = compare_codecs(tables)
        if self.fault == "never draws":
            raise NothingToDrawError("nothing")
        if self.fault == "fails on some tables" and comparison.baseline is None:
            raise KeyError("fp32")
        if self.fault == "returns axes":
            return make_panels([""])[1]
        if self.fault == "no axes":
            return Figure()
        if self.fault == "changes the tables":
            tables.results["accuracy"] *= 100
        if self.fault == "opens pyplot's figure":
            return plt.subplots()[0]
        figure, (axis,) = make_panels([""])
        axis.plot(comparison.final(comparison.settings[0])["value"])
        if self.fault == "draws at random":
            axis.plot(np.random.default_rng().random(3))
        if self.fault == "uses the global generator":
            axis.plot([random.random()])
        if self.fault == "small text":
            axis.set_xlabel("tiny", fontsize=6)
        if self.fault == "text outside":
            axis.text(2.0, 0.5, "far away", transform=axis.transAxes).set_in_layout(False)
        if self.fault == "labels overlap":
            axis.set_xticks(range(9), ["a label that is far too long"] * 9)
        add_note(figure, "one panel")
        return figure


FAULTS = {
    "no title": "has a title",
    "never draws": "draws, or says why not",
    "fails on some tables": "draws, or says why not",
    "returns axes": "draws, or says why not",
    "no axes": "draws, or says why not",
    "changes the tables": "leaves everything else",
    "draws at random": "same tables, same bytes",
    "opens pyplot's figure": "leaves everything else",
    "uses the global generator": "leaves everything else",
    "small text": "text is legible",
    "text outside": "text is legible",
    "labels overlap": "text is legible",
    "rows are a list": "its rows are a table",
}


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    with FIGURES.isolated():
        FIGURES.register("wrong")(Wrong)
        yield
    plt.close("all")


def test_a_figure_without_fault_passes() -> None:
    assert [f.message for f in check_figure(Wrong()) if not f.passed] == []


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(fault: str) -> None:
    failed = [finding.property for finding in check_figure(Wrong(fault)) if not finding.passed]
    assert any(name.startswith(FAULTS[fault]) for name in failed), failed


def test_a_figure_of_other_columns_is_checked_on_tables_that_have_them() -> None:
    @dataclass(frozen=True)
    class Energy(Wrong):
        name = "energy"

        def _draw(self, tables: Tables, options: FigureOptions) -> Figure:
            if "joules" not in tables.runs:
                raise NothingToDrawError("no run has joules")
            figure, (axis,) = make_panels([""])
            axis.barh(["run"], [tables.runs["joules"].mean()])
            return figure

    FIGURES.register("energy")(Energy)
    assert not all(finding.passed for finding in check_figure(Energy()))
    runs = pd.DataFrame({"run": ["a"], "joules": [3.0]})
    empty = pd.DataFrame()
    samples = {"joules": Tables(empty, empty, empty, runs)}
    assert all(finding.passed for finding in check_figure(Energy(), samples))
