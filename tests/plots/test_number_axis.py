"""Numbers of any size, in words and on axes."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from fedbytes.plots.number_axis import (
    drawn_values,
    format_bytes_axis,
    format_log_ticks,
    plain_power,
    write_powers_plainly,
)


@pytest.mark.parametrize(
    "ends", [(1e-300, 1e299), (1.0, 1.0), (1e200, 1e200), (5e-324, 1e-300), (1, 1.7e308)]
)
def test_a_byte_axis_of_any_ends_has_few_ticks(ends):
    figure = Figure()
    axes = figure.subplots()
    format_bytes_axis(axes, *ends)
    figure.draw_without_rendering()
    assert len(axes.get_xticks()) <= 5


@pytest.mark.parametrize("ends", [(0, 1), (-1, 1), (1, np.inf), (np.nan, 1), (2, 1)])
def test_a_byte_axis_without_ends_is_refused(ends):
    with pytest.raises(ValueError, match="logarithmic axis"):
        format_bytes_axis(Figure().subplots(), *ends)


def test_what_cannot_be_drawn_is_missing(recwarn):
    found = drawn_values([1.0, np.inf, -np.inf, np.nan, 1.7e308, 1e200], 100)
    assert np.isnan(found).tolist() == [False, True, True, True, True, False]
    assert not recwarn.list


def test_powers_are_written_without_formulas():
    assert plain_power(r"$\mathdefault{10^{-12}}$") == "10⁻¹²"
    assert plain_power(r"$\mathdefault{-2\times10^{3}}$") == "−2×10³"
    assert plain_power("12") == "12"
    figure = Figure()
    axes = figure.subplots()
    axes.set_yscale("log")
    axes.set_ylim(1e-3, 1e3)
    write_powers_plainly(figure)
    figure.draw_without_rendering()
    shown = {label.get_text() for label in axes.get_yticklabels()}
    assert "10⁻²" in shown
    assert not any("$" in text for text in shown)


def log_labels(inches: float, ends: tuple[float, float], which: str = "x") -> list[str]:
    figure = Figure((inches, inches))
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set(**{f"{which}scale": "log", f"{which}lim": ends})
    axis = axes.xaxis if which == "x" else axes.yaxis
    format_log_ticks(axis)
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}×"))
    figure.draw_without_rendering()
    low, high = ends
    return [
        tick.label1.get_text() for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high
    ]


def test_a_logarithmic_axis_has_the_ticks_that_its_labels_have_room_for():
    dense = ["1×", "2×", "5×", "10×", "20×", "50×", "100×"]
    assert log_labels(7, (0.8, 150)) == dense
    assert log_labels(3, (0.8, 150)) == dense
    assert log_labels(1.8, (0.8, 150)) == ["1×", "3×", "10×", "30×", "100×"]
    assert log_labels(0.9, (0.8, 150)) == ["1×", "10×", "100×"]
    assert log_labels(7, (0.8, 1500)) == ["1×", "10×", "100×", "1000×"]
    assert log_labels(1.2, (5e-5, 2e4)) == ["0.1×", "1000×"]


def test_an_axis_of_height_asks_for_lines_and_a_tiny_one_keeps_a_tick():
    assert len(log_labels(1.4, (0.8, 150), "y")) == 7
    assert len(log_labels(0.6, (0.8, 150), "y")) == 3
    assert log_labels(0.2, (15, 25)) == ["20×"]
