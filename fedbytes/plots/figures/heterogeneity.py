from collections.abc import Sequence
from dataclasses import dataclass
from math import exp

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from fedbytes.plots.number_axis import drawn_values, format_log_ticks
from fedbytes.plots.number_words import format_bytes
from fedbytes.plots.store_figure import FIGURES, FigureOptions, StoreFigure
from fedbytes.plots.style import (
    INK,
    LineStyle,
    add_legend,
    add_note,
    assign_line_styles,
    label_bottom,
    make_panels,
)
from fedbytes.plots.tables.comparison import Comparison, compare_codecs
from fedbytes.plots.tables.heterogeneity_slopes import STEP, fit_slopes, measure_points
from fedbytes.plots.tables.statistics import Line, fit_line
from fedbytes.plots.tables.store_tables import Tables


@FIGURES.register("heterogeneity")
@dataclass(frozen=True)
class Heterogeneity(StoreFigure):
    """Final metric and bytes to target against NMI, each also compared with the baseline."""

    title = "The cost of heterogeneous clients"
    caption = (
        "Final value and bytes to the target against the measured heterogeneity of each run's "
        "partition. The slope of a paired difference shows whether a codec loses more on more "
        "heterogeneous data."
    )
    order = 50

    def rows(self, tables: Tables, options: FigureOptions) -> pd.DataFrame:
        """Return the slopes of the figure's lines."""
        comparison = compare_codecs(tables, options.metric, options.baseline)
        return fit_slopes(measure_points(comparison, options.target))

    def _draw(self, tables: Tables, options: FigureOptions) -> Figure:
        comparison = compare_codecs(tables, options.metric, options.baseline)
        frame = measure_points(comparison, options.target)
        compared = [codec for codec in comparison.codecs if codec != comparison.baseline]
        paired = comparison.baseline is not None and bool(compared)
        columns = 2 if paired else 1
        styles, scale = (
            assign_line_styles(comparison.codecs, comparison.baseline),
            comparison.metric.scale,
        )
        figure, axes = make_panels(
            _titles(comparison, paired), height=2.5, columns=columns, sharex=True
        )
        words = []
        _scatter(axes[0], frame, comparison.codecs, styles, "value", scale)
        _scatter(axes[columns], frame, comparison.codecs, styles, "bytes", log_scale=True)
        axes[columns].yaxis.set_major_formatter(FuncFormatter(format_bytes))
        if paired:
            lines = _scatter(axes[1], frame, compared, styles, "difference", scale)
            words = [_slope(codec, line, scale == 100) for codec, line in lines.items()]
            axes[1].axhline(0, color=INK, linewidth=0.9, zorder=1)
            _scatter(axes[3], frame, compared, styles, "ratio", log_scale=True)
            axes[3].axhline(1, color=INK, linewidth=0.9, zorder=1)
            axes[3].yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}×"))
        label_bottom(axes, "Measured heterogeneity (NMI)", columns)
        add_legend(figure, [styles[codec].handle(codec) for codec in comparison.codecs])
        add_note(figure, "\n".join([_describe(frame, comparison), *words]))
        return figure


def _titles(comparison: Comparison, paired: bool) -> list[str]:
    value = comparison.metric.label.replace("Test", "Final test")
    if not paired:
        return [value, "Bytes to the target"]
    unit = " (points)" if comparison.metric.scale == 100 else ""
    return [
        value,
        f"Difference to {comparison.baseline}{unit}",
        "Bytes to the target",
        f"Times fewer bytes than {comparison.baseline}",
    ]


def _scatter(
    axis: Axes,
    frame: pd.DataFrame,
    codecs: Sequence[str],
    styles: dict[str, LineStyle],
    column: str,
    scale: float = 1.0,
    log_scale: bool = False,
) -> dict[str, Line]:
    """Draw the runs of each codec and the line through them; return the lines."""
    lines = {}
    for codec in codecs:
        part = frame[(frame["codec"] == codec) & np.isfinite(frame[column].astype(float))]
        style = styles[codec]
        x, y = drawn_values(part["nmi"]), drawn_values(part[column], scale)
        axis.plot(
            x,
            y,
            style.marker,
            color=style.color,
            markersize=3.2,
            markerfacecolor="none",
            markeredgewidth=0.7,
            alpha=0.8,
        )
        line = fit_line(x, np.log(y) if log_scale else y)
        if line is not None:
            lines[codec] = line
            _draw_line(axis, line, (float(x.min()), float(x.max())), style, log_scale)
    if log_scale:
        axis.set_yscale("log")
        format_log_ticks(axis.yaxis)
    axis.set_xlim(0, max(0.05, axis.get_xlim()[1]))
    return lines


def _draw_line(
    axis: Axes, line: Line, ends: tuple[float, float], style: LineStyle, log_scale: bool
) -> None:
    x = np.linspace(*ends, 50)
    found = [line.at(float(nmi)) for nmi in x]
    means, lows, highs = (
        [exp(value) if log_scale else value for value in values]
        for values in zip(*((f.mean, f.low, f.high) for f in found), strict=True)
    )
    axis.plot(x, means, color=style.color, linestyle=style.linestyle, linewidth=1.4)
    axis.fill_between(x, lows, highs, color=style.color, alpha=0.15, linewidth=0)


def _slope(codec: str, line: Line, percent: bool) -> str:
    unit = " points" if percent else ""
    values = (line.slope.mean, line.slope.low, line.slope.high)
    signed = [f"{value * STEP:+.2g}".replace("-", "−") for value in values]
    return (
        f"{codec}: difference {signed[0]}{unit} per 0.1 NMI "
        f"({signed[1]} to {signed[2]}), n = {line.n}"
    )


def _describe(frame: pd.DataFrame, comparison: Comparison) -> str:
    words = "Markers: runs. Lines: least squares, with the 95 % band of the mean."
    short = [
        f"{codec} {int(missed)}"
        for codec, missed in frame.groupby("codec", sort=False)["bytes"]
        .apply(lambda column: column.isna().sum())
        .items()
        if missed
    ]
    if short:
        words += f"\nRuns that do not reach the target, left out below: {', '.join(short)}."
    if comparison.baseline:
        words += "\nDifferences and ratios are paired by seed and partition."
    return words
