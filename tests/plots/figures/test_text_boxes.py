"""No figure of any store has texts over each other or beyond its edge, at any width."""

import pytest
from grid_stores import grid_store
from matplotlib.figure import Figure
from text_boxes import text_faults

from fedbytes.plots import FigureOptions, NothingToDrawError, figure_names, make_figure

SIZES = [(methods, seeds, settings)
         for methods in (1, 2, 13, 40) for seeds in (1, 3, 10) for settings in (1, 15)]  # fmt: skip
ODD = ("long", "cjk")
CHEAP = [
    ("two methods", (2, 3, 1), {}),
    ("thirteen, with faults", (13, 6, 2), {"faults": True}),
    ("forty long labels", (40, 1, 1), {"labels": "long"}),
    ("eight that leak", (8, 3, 2), {"leaks": True}),
    ("five in Japanese", (5, 3, 1), {"labels": "cjk", "faults": True}),
]


def faults_of(name: str, tables, width: str = "page") -> list[str]:
    figure, options = make_figure(name), FigureOptions(width=width)
    found = []
    try:
        for number, page in enumerate(figure.pages(tables, options)):
            drawn = figure.draw(page, options)
            assert isinstance(drawn, Figure)
            found += [f"page {number}: {fault}" for fault in text_faults(drawn)]
    except NothingToDrawError:
        pass
    return found


@pytest.mark.parametrize("name", figure_names())
def test_texts_have_a_place_of_their_own(name):
    for words, size, how in CHEAP:
        assert faults_of(name, grid_store(*size, **how)) == [], words


@pytest.mark.parametrize("width", ["column", "slide"])
def test_texts_have_a_place_of_their_own_at_other_widths(width):
    tables = grid_store(5, 6, 2, faults=True, leaks=True)
    found = {name: faults_of(name, tables, width) for name in figure_names()}
    assert {name: faults for name, faults in found.items() if faults} == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "labels"),
    [(size, "plain") for size in SIZES]
    + [(size, labels) for size in ((2, 3, 15), (13, 3, 2), (40, 10, 15)) for labels in ODD],
    ids=str,
)
def test_texts_of_every_size_of_store(size, labels):
    tables = grid_store(*size, labels=labels, faults=size[1] > 2, rounds=4)
    found = {name: faults_of(name, tables) for name in figure_names()}
    assert {name: faults for name, faults in found.items() if faults} == {}


def test_an_overlap_and_a_text_outside_are_found():
    figure = Figure()
    axis = figure.subplots()
    axis.text(0.5, 0.5, "one")
    axis.text(0.5, 0.5, "two")
    axis.text(2.0, 0.5, "far", transform=axis.transAxes)
    assert text_faults(figure) == ["'far' leaves the figure", "'one' is over 'two'"]
