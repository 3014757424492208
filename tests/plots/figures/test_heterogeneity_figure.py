"""Final metric and bytes against measured heterogeneity."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from fedbytes.plots import (
    FigureOptions,
    NothingToDrawError,
    Tables,
    compare_codecs,
    draw_all,
    drawings,
    fit_clustered_line,
    make_figure,
    sample_tables,
)
from fedbytes.plots.drawing.heterogeneity_places import (
    MethodInSetting,
    _needed,
    average_bytes,
)
from fedbytes.plots.drawing.heterogeneity_slopes import fit_slopes, measure_points
from fedbytes.plots.figures.heterogeneity import _draw_panel
from fedbytes.plots.inference.target_hits import Hit
from fedbytes.plots.method_looks import assign_line_styles
from fedbytes.plots.tables.statistics import fit_line

ALPHAS = (0.03, 0.1, 0.3, 1.0, 10.0)


def worse_where_data_differ(loss_by_codec, seeds=(0, 1, 2)) -> Tables:
    """Return tables where a codec loses so much accuracy for each unit of NMI."""
    tables = sample_tables(alphas=ALPHAS, seeds=seeds, rounds=4)
    results = tables.results.copy()
    lost = results["codec"].map(loss_by_codec).fillna(0.0) * results["heterogeneity"]
    results["accuracy"] -= lost
    return Tables(results, tables.ledger, tables.partitions, tables.runs)


@pytest.fixture(scope="module")
def tables():
    return worse_where_data_differ({"topk 1 % 4 bit + EF": 0.5})


def test_slopes_find_the_codec_that_loses_more(tables):
    frame = measure_points(tables, compare_codecs(tables))
    assert len(frame) == len(ALPHAS) * 4 * 3
    found = fit_slopes(frame, scale=100).set_index(["codec", "quantity"])
    worse = found.loc[("topk 1 % 4 bit + EF", "difference")]
    assert worse["low"] < -5.0 < worse["high"]  # 0.5 for a unit is 5 points for a tenth
    assert worse["p_value"] < 1e-3
    assert worse["n"] == 15
    even = found.loc[("ecsq 1.1 bit + EF", "difference")]
    assert even["low"] < 0 < even["high"]
    assert ("fp32", "difference") not in found.index


def test_slopes_are_those_of_the_lines_per_tenth(tables):
    frame = measure_points(tables, compare_codecs(tables))
    found = fit_slopes(frame, scale=100).set_index(["codec", "quantity"])
    part = frame[frame["codec"] == "nf4"]
    for name, values in (
        ("value", 100 * part["value"]),
        ("difference", 100 * part["difference"]),
        ("log2 bytes", np.log2(part["bytes"])),
        ("log2 ratio", np.log2(part["ratio"])),
    ):
        if not np.isfinite(values).all():  # a run that misses the target: no slope of survivors
            assert ("nf4", name) not in found.index
            continue
        line = fit_clustered_line(part["nmi"], values, part["setting"])
        row, slope = found.loc[("nf4", name)], np.array([line.low, line.slope, line.high]) / 10
        assert (row["low"], row["slope"], row["high"]) == pytest.approx(slope)


def test_points_are_paired_by_seed_and_setting(tables):
    frame = measure_points(tables, compare_codecs(tables)).set_index(["setting", "codec", "seed"])
    for (setting, _, seed), row in frame.iterrows():
        base = frame.loc[(setting, "fp32", seed)]
        assert row["nmi"] == base["nmi"]
        assert row["difference"] == pytest.approx(row["value"] - base["value"])
        assert row["ratio"] == pytest.approx(base["bytes"] / row["bytes"], nan_ok=True)


def test_the_figure_says_the_slope(tables):
    figure = make_figure("heterogeneity").draw(tables)
    figure.draw_without_rendering()
    said = "\n".join(text.get_text() for text in figure.findobj(Text))
    assert "points per 0.1 NMI" in said
    assert "n = 15" in said
    assert "Measured heterogeneity (NMI)" in said
    assert len(figure.axes) == 4


def hits(**kinds):
    return [
        Hit(value, kind.replace("_", " ")) for kind, values in kinds.items() for value in values
    ]


def test_runs_that_miss_are_bounds_beside_those_that_do_not():
    at = ("nf4", "dirichlet", "alpha = 0.1", 0.5)
    some = _needed(at, hits(between=[10.0, 20.0], missed=[90.0]))
    assert not some.estimated
    assert some.seeds == ((10.0, ""), (20.0, ""), (90.0, "above"))
    none = _needed(at, hits(missed=[90.0, 90.0]))
    assert (none.value, none.bound, none.seeds) == (pytest.approx(90.0), "above", ())
    assert _needed(at, hits(at_once=[5.0, 5.0])).bound == "below"
    every = _needed(at, hits(between=[10.0, 20.0, 40.0, 10.0, 20.0]))
    assert every.estimated
    assert every.seeds == ()
    most = _needed(at, hits(between=[10.0, 20.0, 40.0, 10.0], missed=[90.0]))
    assert most.estimated
    assert most.seeds[-1] == (90.0, "above")


def test_a_line_stops_at_a_setting_that_is_a_bound():
    def place(nmi, **fields):
        return MethodInSetting("nf4", "dirichlet", "", nmi, **fields)

    known = [place(nmi, value=10.0 + nmi) for nmi in (0.1, 0.2, 0.6, 0.7)]
    bounds = [place(0.4, value=90.0, bound="above"),
              place(0.5, value=np.nan, seeds=((12.0, ""), (90.0, "above")))]  # fmt: skip
    axis = Figure().subplots()
    _draw_panel(axis, [*bounds, *known], assign_line_styles(["nf4"], None), ["nf4"], logs=True)
    lines = [line for line in axis.lines if line.get_linestyle() not in ("None", "none", "")]
    marks = {(*line.get_xdata(), *line.get_ydata(), line.get_marker()): line for line in axis.lines}
    assert [list(line.get_xdata()) for line in lines if len(line.get_xdata()) > 1] == [
        [0.1, 0.2], [0.6, 0.7]
    ]  # fmt: skip
    assert marks[0.4, 90.0, "^"].get_markerfacecolor() == "none"
    assert marks[0.5, 90.0, "^"].get_markersize() < marks[0.4, 90.0, "^"].get_markersize()


def test_a_line_stops_at_a_setting_whose_target_is_too_easy():
    """Of three settings in a row the middle one has no target to speak of."""
    tables = sample_tables(alphas=ALPHAS, seeds=(0, 1, 2), rounds=4)
    easy = tables.results["alpha"] == 0.3
    flat = tables.results["accuracy"].where(~easy, 0.1)
    runs = tables.runs.assign(constant_accuracy=0.1)
    tables = Tables(tables.results.assign(accuracy=flat), tables.ledger, tables.partitions, runs)
    comparison = compare_codecs(tables)
    needed, ratios = average_bytes(tables, comparison, FigureOptions())
    for places in (needed, ratios):
        unknown = {place.setting for place in places if not np.isfinite(place.value)}
        assert any("0.3" in title for title in unknown)
        assert {place.setting for place in places} == {one.title for one in comparison.settings}
    assert make_figure("heterogeneity").draw(tables).axes


def test_two_settings_are_nothing_to_draw():
    with pytest.raises(NothingToDrawError):
        make_figure("heterogeneity").draw(sample_tables(alphas=(0.1, 1.0), rounds=2))
    assert "heterogeneity" not in {drawing.name for drawing in drawings(sample_tables(rounds=2))}


def test_without_a_baseline_there_is_one_column():
    made = sample_tables(alphas=ALPHAS, codecs=["nf4", "ecsq 1.1 bit + EF"], rounds=3)
    assert len(make_figure("heterogeneity").draw(made).axes) == 2


def test_plot_writes_figure_and_slopes(tables, tmp_path):
    names = {path.name for path in draw_all(tables, tmp_path)}
    assert {"heterogeneity.svg", "heterogeneity.csv"} <= names
    written = pd.read_csv(tmp_path / "heterogeneity.csv")
    assert {"codec", "quantity", "slope", "low", "high", "p_value", "n", "settings"} == set(
        written.columns
    )


def test_a_line_against_its_definition():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        x = rng.random(12)
        line = fit_line(x, 2 + 3 * x + rng.normal(0, 0.5, 12))
        covered += line.slope.low < 3 < line.slope.high
    assert 0.92 < covered / 400 < 0.98
    straight = fit_line([0, 1, 2], [1, 3, 5])
    assert straight.slope.mean == pytest.approx(2)
    assert straight.at(4).mean == pytest.approx(9)


def test_no_line_through_too_little():
    assert fit_line([0, 1], [1, 2]) is None
    assert fit_line([1, 1, 1], [1, 2, 3]) is None
    assert fit_line([0, 1, np.nan], [1, 2, 3]) is None
