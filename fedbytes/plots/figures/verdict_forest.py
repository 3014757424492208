from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fedbytes.plots.canvas import canvas
from fedbytes.plots.drawing.codec_rows import (
    clip_ends,
    label_rows,
    make_row_panels,
    row_height,
    settings_that_fit,
    write_columns,
)
from fedbytes.plots.drawing.headline import describe_runs
from fedbytes.plots.inference.seeds_needed import FEWEST_SEEDS
from fedbytes.plots.method_looks import INK, LineStyle, assign_line_styles
from fedbytes.plots.number_axis import drawn_values
from fedbytes.plots.shown_text import wrap
from fedbytes.plots.store_figure import FIGURES, FigureOptions, StoreFigure
from fedbytes.plots.style import add_headline, add_note, points
from fedbytes.plots.svg_marks import mark
from fedbytes.plots.tables.comparison import Comparison, Metric, compare_codecs
from fedbytes.plots.tables.store_tables import NothingToDrawError, Tables
from fedbytes.plots.verdicts.margins import choose_margin
from fedbytes.plots.verdicts.verdict_table import measure_verdicts
from fedbytes.plots.verdicts.verdict_text import explain_verdicts, format_difference, unit_of

_ZONE = "#ececec"
_BEYOND = 2.5  # times what six in ten means, or the margin, lie within: the axis shows no more


@FIGURES.register("verdict")
@dataclass(frozen=True)
class VerdictForest(StoreFigure):
    """Each method's paired difference to the baseline, against the margin, and its verdict."""

    title = "Verdicts on the final {metric}"
    caption = (
        "Each method minus the baseline, paired by seed. What lies in the shaded zone is within "
        "the margin; a row ends with what is shown."
    )
    order = 5
    asks = ("metric", "baseline", "final", "margin")

    def settings_on_page(self, comparison: Comparison, options: FigureOptions) -> int:  # noqa: ARG002
        """Return as many as have their rows on one page."""
        return settings_that_fit(comparison.codecs, 0.55)

    def _draw(self, tables: Tables, options: FigureOptions) -> Figure:
        comparison = compare_codecs(tables, options.metric, options.baseline)
        if options.margin is not None:
            choose_margin(comparison.metric, options.margin)
        frame = _measure(tables, comparison, options)
        parts = [(str(title), rows) for title, rows in frame.groupby("setting", sort=False)]
        narrow = canvas().width < 5
        figure, lines = make_row_panels(
            [title for title, _ in parts], [len(rows) for _, rows in parts], 1,
            row=row_height(comparison.codecs, 3 if narrow else 1), room=0.36,
        )  # fmt: skip
        styles = assign_line_styles(comparison.codecs, comparison.baseline)
        metric, scale = comparison.metric, comparison.metric.scale
        low, high = _limits(frame, scale)
        for (axis,), (_, rows) in zip(lines, parts, strict=True):
            axis.set_xlim(low, high)
            _zone(axis, float(frame["margin"].iloc[0]) * scale)
            records = rows.to_dict("records")
            for place, row in enumerate(records):
                _row(axis, place, {str(k): v for k, v in row.items()}, styles, metric)
            label_rows(axis, [str(row["codec"]) for row in records])
            write_columns(axis, [_words(row, metric, narrow) for row in records])
            axis.xaxis.set_tick_params(labelbottom=axis is lines[-1][0])
            axis.xaxis.set_major_locator(MaxNLocator(nbins=3 if narrow else 6))
        lines[-1][0].set_xlabel(_axis_label(frame, metric))
        add_headline(figure, describe_runs(tables, comparison))
        add_note(figure, _describe(frame))
        return figure


def _measure(tables: Tables, comparison: Comparison, options: FigureOptions) -> pd.DataFrame:
    name = comparison.metric.name
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # of values past 1e150
            return measure_verdicts(
                tables, options.margin, name, options.baseline, options.target, options.final
            )
    except ValueError as error:  # no baseline, nothing to compare, no usual margin
        raise NothingToDrawError(str(error)) from error


def _limits(frame: pd.DataFrame, scale: float) -> tuple[float, float]:
    margin = float(frame["margin"].iloc[0]) * scale
    means = drawn_values(frame["difference"], scale)
    means = means[np.isfinite(means)]
    usual = float(np.quantile(np.abs(means), 0.6)) if means.size else 0.0
    most = _BEYOND * max(2 * margin, usual)
    ends = [*means, *(v for name in ("low", "high") for v in drawn_values(frame[name], scale))]
    ends += [value * scale for text in frame["differences"] for value in _by_seed(text)]
    known = [float(np.clip(value, -most, most)) for value in ends if isfinite(value)]
    low, high = min([-1.6 * margin, *known]), max([1.6 * margin, *known])
    return low - 0.03 * (high - low), high + 0.03 * (high - low)


def _by_seed(differences: str) -> list[float]:
    return [float(pair.split(":")[1]) for pair in differences.split()]


def _zone(axis: Axes, margin: float) -> None:
    axis.axvspan(-margin, margin, color=_ZONE, linewidth=0, zorder=0)
    axis.axvline(0, color=INK, linewidth=points(0.9), zorder=1)


def _row(
    axis: Axes, place: int, row: dict[str, Any], styles: dict[str, LineStyle], metric: Metric
) -> None:
    """Draw seeds, mean and bounds of one method; below five seeds the seeds alone."""
    method, scale = str(row["codec"]), metric.scale
    style = styles[method]
    seeds = drawn_values(_by_seed(row["differences"]), scale)
    left, right = axis.get_xlim()
    enough = row["n"] >= FEWEST_SEEDS
    inside = (seeds > left) & (seeds < right)
    said = [
        f"{method}: seed {pair.split(':')[0]}, {format_difference(value / scale, metric)}"
        for pair, value in zip(row["differences"].split(), seeds, strict=True)
    ]
    if inside.any():
        (dots,) = axis.plot(
            seeds[inside], [place + (0.26 if enough else 0)] * int(inside.sum()), style.marker,
            markersize=points(2.6 if enough else 4), markerfacecolor="none", color=style.color,
            markeredgewidth=points(0.7),
        )  # fmt: skip
        mark(dots, method, [text for text, seen in zip(said, inside, strict=True) if seen])
    for end, arrow, gone in ((left, "<", seeds < left), (right, ">", seeds > right)):
        if gone.any():
            (beyond,) = axis.plot([end], [place], arrow, color=style.color, markersize=points(4),
                                  markerfacecolor="none", clip_on=False)  # fmt: skip
            mark(beyond, method, "; ".join(t for t, out in zip(said, gone, strict=True) if out))
    mean, low, high = drawn_values([row[name] for name in ("difference", "low", "high")], scale)
    if not enough or not isfinite(mean):
        return
    clip_ends(axis, low, high, place, color=style.color)
    look = "<" if mean <= left else (">" if mean >= right else style.marker)
    at = min(max(mean, left), right)
    (dot,) = axis.plot([at], [place], look, color=style.color, markersize=points(5.5),
                       clip_on=False)  # fmt: skip
    bounds = (format_difference(row[name], metric) for name in ("low", "high"))
    words = f"{method}: {format_difference(row['difference'], metric)} ({' to '.join(bounds)})"
    mark(dot, method, f"{words}, n = {row['n']}: {row['verdict']}")


def _words(row: dict[Any, Any], metric: Metric, narrow: bool) -> list[str]:
    value = float(row["difference"])
    verdict = str(row["verdict"])
    if row["n"] < FEWEST_SEEDS:
        verdict = (
            f"no verdict: n = {row['n']}" if not row["failed"] else f"{verdict}, n = {row['n']}"
        )
    width = 1.05 if narrow else 2.3
    return [format_difference(value, metric), wrap(verdict, width, 3 if narrow else 2)]


def _axis_label(frame: pd.DataFrame, metric: Metric) -> str:
    better = "right" if metric.rises else "left"
    baseline = str(frame["baseline"].iloc[0])
    words = f"Minus {baseline}, paired ({unit_of(metric)}; better to the {better})"
    return wrap(words, 0.62 * canvas().width, 3, points=9.0)


def _describe(frame: pd.DataFrame) -> str:
    words = "\n".join(explain_verdicts(frame)[:1])
    if (frame["n"] >= FEWEST_SEEDS).any():
        words += " Small: seeds."
    return words
