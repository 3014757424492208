"""A figure is laid out once and drawn once for each format."""

import matplotlib
import pytest
from matplotlib.figure import Figure

from fedbytes.plots.style import render_svg, save_figure


@pytest.fixture
def figure(monkeypatch):
    made = Figure(layout="constrained")
    made.subplots().set_title("a panel")
    made.drawn = []
    draw = made.draw
    monkeypatch.setattr(made, "draw", lambda *args: (made.drawn.append(1), draw(*args))[1])
    return made


@pytest.mark.parametrize("usual", [False, True])
def test_each_format_draws_once(figure, tmp_path, usual):
    engine = figure.get_layout_engine()
    with matplotlib.rc_context({"figure.constrained_layout.use": usual}):
        save_figure(figure, tmp_path, "one")
    assert len(figure.drawn) == 3
    assert figure.get_layout_engine() is engine
    assert (tmp_path / "one.svg").read_text() == render_svg(figure)
    assert len(figure.drawn) == 4


def test_a_figure_that_cannot_be_saved_keeps_its_layout(figure, tmp_path):
    (tmp_path / "one.svg").mkdir()
    engine = figure.get_layout_engine()
    with pytest.raises(OSError, match=r"one\.svg"):
        save_figure(figure, tmp_path, "one")
    assert figure.get_layout_engine() is engine
