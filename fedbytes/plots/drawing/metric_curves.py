"""Curves of a metric over a run: one panel per setting, one line per method."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray

from fedbytes.plots.drawing.constant_line import draw_constant
from fedbytes.plots.drawing.direct_labels import DirectLabel, place_labels, shorten_names
from fedbytes.plots.drawing.headline import describe_runs
from fedbytes.plots.drawing.highlights import choose_highlights
from fedbytes.plots.inference.seeds_needed import FEWEST_SEEDS
from fedbytes.plots.method_looks import FAINT, LineStyle, assign_line_styles
from fedbytes.plots.number_axis import (
    LARGEST_DRAWN,
    drawn_values,
    format_bytes_axis,
    on_log_axis,
)
from fedbytes.plots.number_words import format_bytes
from fedbytes.plots.own_axes import own_axes
from fedbytes.plots.store_figure import FigureOptions
from fedbytes.plots.style import (
    add_headline,
    add_legend,
    add_note,
    fit_columns,
    label_bottom,
    make_panels,
    name_values,
    points,
)
from fedbytes.plots.svg_marks import mark
from fedbytes.plots.tables.comparison import Comparison, Setting, compare_codecs
from fedbytes.plots.tables.store_tables import NothingToDrawError, Tables
from fedbytes.streams import stream

LOG_FACTOR = 6.0
ON_A_PAGE = 12  # settings
_DIRECT = 2  # settings whose lines have their names beside them; more have a legend
_BANDS, _RESAMPLES = 3, 400
Across = Literal["bytes", "round"]


@dataclass(frozen=True)
class _Curve:
    """A method's runs in one setting: at equal rounds, as every run of it has them.

    Attributes:
        x: [rounds] mean bytes, or rounds.
        rounds: [rounds] their numbers.
        values: [seeds, rounds] as they are drawn.
    """

    method: str
    x: NDArray[np.float64]
    rounds: NDArray[np.int64]
    values: NDArray[np.float64]

    @property
    def mean(self) -> NDArray[np.float64]:
        found = np.isfinite(self.values)
        total = np.where(found, self.values, 0.0).sum(axis=0)
        count = found.sum(axis=0)
        mean = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
        return np.asarray(mean)


def draw_metric_curves(
    tables: Tables, options: FigureOptions, across: Across, log_factor: float = LOG_FACTOR
) -> Figure:
    """Draw the metric against bytes or rounds, one panel per setting, one line per method.

    Args:
        tables: of the store.
        options: of the figure.
        across: what the x axis shows.
        log_factor: values that differ by more than this factor have a logarithmic axis.
    """
    comparison = compare_codecs(tables, options.metric, options.baseline)
    if across == "bytes" and not on_log_axis(
        spent for s in comparison.settings for spent in s.rows["total_bytes"]
    ):
        raise NothingToDrawError("no run has sent a byte")
    columns = fit_columns(len(comparison.settings), 2 if len(comparison.settings) < 5 else 3)
    height = 2.9 if len(comparison.settings) <= _DIRECT else 2.2
    titles = [s.title for s in comparison.settings]
    figure, axes = make_panels(titles, height=height, columns=columns, sharey=True)
    coloured = choose_highlights(comparison, options.highlight)
    styles = assign_line_styles(comparison.codecs, comparison.baseline)
    names = shorten_names(comparison.codecs)
    banded: set[str] = set()
    ends: dict[Axes, list[DirectLabel]] = {}
    extent: list[float] = []
    for axis, setting in zip(axes, comparison.settings, strict=True):
        silent = _silent(comparison, setting) if across == "bytes" else []
        sending = [m for m in comparison.present(setting) if m not in silent]
        curves = [_curve(comparison, setting, method, across) for method in sending]
        curves = [curve for curve in curves if np.isfinite(curve.mean).any()]
        extent += [x for curve in curves for x in curve.x[[0, -1]]]
        for curve in sorted(curves, key=lambda c: _rank(c.method, coloured, comparison.baseline)):
            if curve.method not in coloured:
                _draw_grey(axis, curve)
        for curve in reversed([c for c in curves if c.method in coloured]):
            wide = curve.method in coloured[:_BANDS]
            banded |= _draw_coloured(axis, curve, styles[curve.method], wide)
        ends[axis] = [
            _end(curve, names[method], styles[method])
            for method in coloured
            for curve in curves
            if curve.method == method
        ]
        for method in silent:
            _draw_level(axis, comparison, setting, styles[method], method)
    if not any(axis.lines for axis in axes):
        raise NothingToDrawError(f"no mean of {comparison.metric.name} over seeds is finite")
    _fit_frame(axes, comparison, log_factor)
    for axis, setting in zip(axes, comparison.settings, strict=True):
        if across == "bytes":
            _mark_start(axis, comparison, setting)
        draw_constant(axis, tables, comparison, setting)
        if across == "bytes" and extent:
            format_bytes_axis(axis, min(extent), max(extent), most=5 if columns < 3 else 3)
        else:
            axis.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    label_bottom(
        axes, "Bytes sent, both ways, all clients" if across == "bytes" else "Round", columns
    )
    name_values(figure, comparison.metric.label)
    named = len(comparison.settings) <= _DIRECT and not own_axes()
    if not named:
        add_legend(figure, [styles[codec].handle(codec) for codec in coloured])
    add_headline(figure, describe_runs(tables, comparison))
    note = _describe(comparison, coloured, banded, across)
    add_note(figure, note)
    if named and (lost := place_labels(figure, ends)):
        add_note(figure, f"{note}\nWithout room for their names: {', '.join(lost)}.")
    return figure


def _rank(method: str, coloured: Sequence[str], baseline: str | None) -> tuple[bool, bool]:
    return method in coloured, method == baseline


def _curve(comparison: Comparison, setting: Setting, method: str, across: Across) -> _Curve:
    rows = setting.rows[setting.rows["codec"] == method]
    table = rows.pivot_table(index="seed", columns="round", values=comparison.metric.name,
                             dropna=False, aggfunc="first")  # fmt: skip
    had = rows.pivot_table(index="seed", columns="round", values="total_bytes", dropna=False,
                           aggfunc="first").reindex(columns=table.columns)  # fmt: skip
    spent = had.mean(axis=0).to_numpy(dtype=float)
    kept = had.notna().all(axis=0).to_numpy()
    if across == "bytes":
        kept = kept & (spent > 0) & (spent < LARGEST_DRAWN)
    rounds = table.columns.to_numpy(dtype=np.int64)[kept]
    values = drawn_values(table.to_numpy(dtype=float)[:, kept], comparison.metric.scale)
    x = spent[kept] if across == "bytes" else rounds.astype(float)
    return _Curve(method, x, rounds, values)


def _titles(curve: _Curve, values: NDArray[np.float64], n: int, seed: str = "") -> list[str]:
    whose = f"{curve.method}{seed}"
    return [
        f"{whose}: round {number}, {format_bytes(x)}, {value:.4g}, n = {n}"
        if x != number
        else f"{whose}: round {number}, {value:.4g}, n = {n}"
        for number, x, value in zip(curve.rounds, curve.x, values, strict=True)
        if np.isfinite(value)
    ]


def _draw_grey(axis: Axes, curve: _Curve) -> None:
    mean = curve.mean
    (line,) = axis.plot(curve.x, mean, color=FAINT, linewidth=points(0.8), label=curve.method,
                        marker="o", markersize=points(1.3), zorder=1.2)  # fmt: skip
    mark(line, curve.method, _titles(curve, mean, len(curve.values)))


def _draw_coloured(axis: Axes, curve: _Curve, style: LineStyle, wide: bool) -> set[str]:
    """Draw a mean, and its seeds below five of them or else, if it may have one, a band."""
    mean, seeds = curve.mean, len(curve.values)
    found: set[str] = set()
    if seeds >= FEWEST_SEEDS and wide:
        low, high = _band(curve.values)
        band = axis.fill_between(curve.x, low, high, color=style.color, alpha=0.15, linewidth=0)
        mark(band, curve.method)
        found = {curve.method}
    elif 1 < seeds < FEWEST_SEEDS and wide:
        for values in curve.values:
            (thin,) = axis.plot(curve.x, values, color=style.color, linewidth=points(0.6),
                                alpha=0.55, label=f"_{curve.method} seed", marker="")  # fmt: skip
            mark(thin, curve.method)
    (line,) = axis.plot(curve.x, mean, color=style.color, linestyle=style.linestyle,
                        label=curve.method, marker="")  # fmt: skip
    mark(line, curve.method)
    (dots,) = axis.plot(curve.x, mean, color=style.color, marker=style.marker, linestyle="none",
                        label=f"_{curve.method} points", markersize=points(3.4))  # fmt: skip
    mark(dots, curve.method, _titles(curve, mean, seeds))
    return found


def _band(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the pointwise 95 % band of the mean over resampled seeds."""
    seeds = len(values)
    drawn = stream(0, "bootstrap of a curve").integers(0, seeds, size=(_RESAMPLES, seeds))
    means = values[drawn].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    return low, high


def _end(curve: _Curve, name: str, style: LineStyle) -> DirectLabel:
    known = np.isfinite(curve.mean)
    along = [*zip(curve.x[known].tolist(), curve.mean[known].tolist(), strict=True)]
    return DirectLabel(name, *along[-1], curve.method, style.color, tuple(along))


def _mark_start(axis: Axes, comparison: Comparison, setting: Setting) -> None:
    """Draw the lowest start of all methods as a line: nothing was sent for it, so it has no x."""
    begun = comparison.initial(setting)
    if begun.empty:
        return
    by_codec = begun.groupby("codec")["value"].mean()
    lowest = float(by_codec.min() if comparison.metric.rises else by_codec.max())
    value = float(drawn_values([lowest], comparison.metric.scale)[0])
    if not np.isfinite(value):
        return
    axis.axhline(value, color="0.45", linestyle=":", linewidth=points(1.0), zorder=0.5)
    low, high = axis.get_ylim()
    axis.annotate(
        "before training",
        (0.99, min(max(value, low), high)),
        xycoords=("axes fraction", "data"),
        xytext=(0, 3 if comparison.metric.rises else -9),
        textcoords="offset points",
        ha="right",
        color="0.35",
        fontsize=points(),
    )


def _fit_frame(axes: list[Axes], comparison: Comparison, log_factor: float) -> None:
    """Fit the y limits to the lines, within what the metric can be."""
    ceiling = 100.0 if comparison.metric.scale == 100 else np.inf
    lines = [line for axis in axes for line in axis.lines]
    means = [line for line in lines if not str(line.get_label()).endswith("seed")]
    heights = [np.asarray(line.get_ydata(), dtype=float) for line in means]
    seen = np.concatenate(heights) if heights else np.empty(0)
    seen = seen[np.isfinite(seen)]
    if len(seen) and seen.max() > ceiling:  # a share above 100 % is drawn where it is
        ceiling = np.inf
    floor = 0.0 if len(seen) and seen.min() >= 0 else -np.inf
    if len(seen) and seen.min() > 0 and seen.max() > log_factor * seen.min():
        # A perplexity that falls from thousands to tens: its last rounds are what is looked at.
        axes[0].set_yscale("log")
        axes[0].set_ylim(seen.min() / 1.15, min(seen.max() * 1.15, ceiling))
        axes[0].yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes[0].yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes[0].yaxis.set_minor_locator(NullLocator())
    elif len(seen):
        margin = 0.08 * max(float(np.ptp(seen)), 1e-3 * abs(float(seen.max())), 1e-12)
        axes[0].set_ylim(max(floor, seen.min() - margin), min(seen.max() + margin, ceiling))


def _silent(comparison: Comparison, setting: Setting) -> list[str]:
    """Return the methods that send nothing, and so have no place on an axis of bytes."""
    spent = setting.rows.groupby("codec")["total_bytes"].max()
    return [method for method in comparison.present(setting) if spent[method] == 0]


def _draw_level(
    axis: Axes, comparison: Comparison, setting: Setting, style: LineStyle, method: str
) -> None:
    """Draw where a method ends that sends nothing, as a level line."""
    ends = drawn_values(
        [*comparison.by_seed(comparison.final(setting), method, "value").values()],
        comparison.metric.scale,
    )
    ends = ends[np.isfinite(ends)]
    if not ends.size:
        return
    mean = float(ends.mean())
    line = axis.axhline(
        mean, color=style.color, linestyle=style.linestyle, label=method, zorder=1.5
    )
    mark(line, method, f"{method}: sends nothing, {mean:.4g}, n = {ends.size}")


def _describe(comparison: Comparison, coloured: list[str], banded: set[str], across: Across) -> str:
    seeds = {
        int(count)
        for setting in comparison.settings
        for count in setting.rows.groupby("codec")["seed"].nunique()
    }
    few, many = min(seeds), max(seeds)
    count = f"{few}" if few == many else f"{few} to {many}"
    values = np.concatenate([s.rows[comparison.metric.name] for s in comparison.settings])
    lost = not np.isfinite(drawn_values(values, comparison.metric.scale)).all()
    gone = " Infinite values are left out." if lost else ""
    if across == "bytes" and any(_silent(comparison, s) for s in comparison.settings):
        gone += " A level line across: nothing is sent."
    if many == 1:
        words = "One seed: no spread is known."
    elif banded:
        names = shorten_names(comparison.codecs)
        owners = ", ".join(names[codec] for codec in coloured if codec in banded)
        words = (
            f"Lines: mean over {count} seeds. Bands: pointwise 95 % of the mean over resampled "
            f"seeds, of {owners}."
        )
    else:
        words = f"Lines: mean over {count} seeds at equal rounds."
        words += f" Thin: seeds, of the first {_BANDS} methods alone." if few < FEWEST_SEEDS else ""
    grey = [codec for codec in comparison.codecs if codec not in coloured]
    return words + gone + (f"\nGrey: {', '.join(grey)}." if grey else "")
