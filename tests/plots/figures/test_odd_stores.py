"""Every figure of stores with odd labels and odd numbers."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

from fedbytes.plots import (
    FigureOptions,
    NothingToDrawError,
    Tables,
    figure_names,
    make_figure,
    make_panels,
    sample_tables,
)
from fedbytes.plots.testing.sample_tables import ODD_LABELS, name_codecs

PLAIN = sample_tables(seeds=(0, 1), rounds=2)
ODD = name_codecs(PLAIN, ODD_LABELS)
_FEW = sample_tables((0.1, 1.0, 10.0), seeds=(0, 1), rounds=2, codecs=["fp32", "nf4"])


def with_values(**columns: list[float]) -> Tables:
    rows = {name: np.resize(values, len(_FEW.results)) for name, values in columns.items()}
    return replace(_FEW, results=_FEW.results.assign(**rows))


ODD_NUMBERS = {
    "huge and tiny": with_values(accuracy=[1e200, 1.7e308, 1e-300, 0.5, -1.7e308]),
    "infinite": with_values(accuracy=[np.inf, 0.5, -np.inf, np.nan]),
    "negative and zero": with_values(accuracy=[-5.0, 0.0, -1.0]),
    "all equal": with_values(accuracy=[0.5]),
    "no bytes": with_values(total_bytes=[0]),
    "some bytes": with_values(total_bytes=[0, 0, 0, 0, 10, 10, 1e200, np.inf]),
    "odd heterogeneity": with_values(heterogeneity=[1e200, 0.1, np.nan, -3.0]),
}
DRAWN = [n for n in figure_names() if n not in ("partition", "spending", "robust_accuracy")]


def panel_heights(figure: Figure) -> list[float]:
    figure.draw_without_rendering()
    inches = figure.get_figheight()
    return [axis.get_position().height * inches for axis in figure.axes]


@pytest.mark.parametrize("name", figure_names())
def test_panels_keep_their_height_beside_odd_labels(name):
    try:
        plain, odd = (make_figure(name).draw(tables) for tables in (PLAIN, ODD))
    except NothingToDrawError:
        return
    for usual, found in zip(panel_heights(plain), panel_heights(odd), strict=True):
        assert found > 0.85 * usual
    widths = [[axis.get_position().width for axis in made.axes] for made in (plain, odd)]
    for usual, found in zip(*widths, strict=True):
        assert found > 0.7 * usual


def test_labels_are_in_the_legend_as_they_are_written():
    figure = make_figure("heterogeneity").draw(
        name_codecs(
            sample_tables((0.1, 1.0, 10.0), (0, 1), 2), ["fp32", "$$", "_under_score", "$a$ <b>"]
        ),
        FigureOptions(baseline="$$"),
    )
    figure.draw_without_rendering()
    (legend,) = figure.legends
    assert {text.get_text() for text in legend.get_texts()} == {
        "fp32", "$$", "_under_score", "$a$ <b>"
    }  # fmt: skip
    assert not any(text.get_parse_math() for text in legend.get_texts())
    assert legend.get_texts()[0].get_text() == "$$"  # the baseline is first


def test_a_legend_of_many_methods_makes_the_figure_taller():
    count = len(PLAIN.results)
    labels = [f"method {i % 40} with a name that fills a line" for i in range(count)]
    rows = PLAIN.results.assign(codec=labels, run=[f"r{i}" for i in range(count)], seed=0)
    many = replace(PLAIN, results=rows)
    usual = panel_heights(make_figure("rounds").draw(PLAIN))[0]
    assert panel_heights(make_figure("rounds").draw(many))[0] > 0.85 * usual


def test_long_titles_are_broken_and_the_figure_grows():
    titles = ["task " * 60, "W" * 200, "short"]
    figure, axes = make_panels(titles, columns=3)
    usual, _ = make_panels(["short"] * 3, columns=3)
    assert all(axis.get_title().count("\n") <= 2 for axis in axes)
    assert panel_heights(figure)[2] > 0.85 * panel_heights(usual)[2]


@pytest.mark.parametrize("name", DRAWN)
@pytest.mark.parametrize("case", ODD_NUMBERS)
def test_odd_numbers(name, case):
    plugin = make_figure(name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            figure = plugin.draw(ODD_NUMBERS[case])
            figure.draw_without_rendering()
            plugin.rows(ODD_NUMBERS[case], FigureOptions())
        except NothingToDrawError as error:
            reasons = (
                "sent a byte",
                "heterogeneity",
                "finite",
                "reaches its target",
                "must be above",
                "attack",
                "differential privacy",
                "audited",
                "masks or encrypts",
                "canaries",
            )
            assert any(reason in str(error) for reason in reasons)  # noqa: PT017
            return
    for axis in figure.axes:
        assert np.isfinite([*axis.get_xlim(), *axis.get_ylim()]).all()
        assert axis.get_xscale() != "log" or min(axis.get_xlim()) > 0


def test_a_share_above_all_is_drawn_where_it_is():
    (axis, *_) = make_figure("bytes").draw(with_values(accuracy=[2.0, 3.0])).axes
    assert axis.get_ylim()[1] > 300
    (axis, *_) = make_figure("bytes").draw(with_values(accuracy=[0.9, 1.0])).axes
    assert axis.get_ylim()[1] <= 100


def test_a_method_without_bytes_is_said_where_its_point_cannot_be():
    codec = PLAIN.results["codec"] == "nf4"
    rows = PLAIN.results.assign(total_bytes=PLAIN.results["total_bytes"].mask(codec, 0))
    figure = make_figure("pareto").draw(replace(PLAIN, results=rows))
    assert "Not on this axis: nf4, 4.8\xa0bit (0 B)" in figure.get_supxlabel()
