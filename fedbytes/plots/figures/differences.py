from dataclasses import dataclass
from math import isfinite

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from fedbytes.plots.drawing.codec_rows import label_rows, write_beside
from fedbytes.plots.number_axis import format_log_ticks
from fedbytes.plots.shown_text import cut, wrap
from fedbytes.plots.store_figure import FIGURES, FigureOptions, StoreFigure
from fedbytes.plots.style import (
    GRID,
    INK,
    WIDTH,
    LineStyle,
    add_note,
    assign_line_styles,
    extra_height,
    make_panels,
)
from fedbytes.plots.tables.comparison import compare_codecs
from fedbytes.plots.tables.paired_differences import compare_with_baseline
from fedbytes.plots.tables.statistics import Interval
from fedbytes.plots.tables.store_tables import NothingToDrawError, Tables


@FIGURES.register("differences")
@dataclass(frozen=True)
class Differences(StoreFigure):
    """Each codec's paired difference in the final metric, and its ratio of bytes to the target."""

    title = "Paired differences"
    caption = (
        "Runs of one seed share data, clients, initial weights and batches, so they are compared "
        "with each other before they are averaged."
    )
    order = 40

    def _draw(self, tables: Tables, options: FigureOptions) -> Figure:
        comparison = compare_codecs(tables, options.metric, options.baseline)
        rows = [
            (s, found)
            for s in comparison.settings
            if (found := compare_with_baseline(comparison, s, options.target))
        ]
        if not rows:
            raise NothingToDrawError(
                "no run to pair with a baseline: fp32 or another codec is missing"
            )
        titles = [title for s, _ in rows for title in (s.title, "")]
        figure, axes = make_panels(titles, columns=2, sharey="row", sharex="col")
        most = max(len(found) for _, found in rows)
        above = 0.7 + extra_height([axis.get_title() for axis in axes])
        figure.set_size_inches(WIDTH, 0.75 + len(rows) * (above + 0.27 * most))
        styles = assign_line_styles(comparison.codecs, comparison.baseline)
        for (_, found), left, right in zip(rows, axes[::2], axes[1::2], strict=True):
            scale = comparison.metric.scale
            gaps = [
                (d.codec, _scaled(d.metric, scale), [g * scale for g in d.metrics]) for d in found
            ]
            _draw_rows(left, gaps, styles, 0.0)
            _draw_rows(right, [(d.codec, d.ratio, list(d.ratios)) for d in found], styles, 1.0)
            label_rows(left, [d.codec for d in found])
        _format_ratios(axes[1::2])
        axes[-2].xaxis.set_major_locator(MaxNLocator(nbins=5))
        unit = " (points)" if comparison.metric.scale == 100 else ""
        name = cut(comparison.metric.name.replace("_", "-"), 1.2)
        words = f"Final {name} minus {comparison.baseline}'s{unit}"
        axes[-2].set_xlabel(wrap(words, 2.4, 3, points=9.0))
        axes[-1].set_xlabel("Times fewer bytes to the target")
        add_note(
            figure,
            "Hollow: one seed. Filled: mean over seeds, with 95 % t interval and n. "
            "The line is the baseline.",
        )
        return figure


def _scaled(found: Interval, scale: float) -> Interval:
    return Interval(found.mean * scale, found.low * scale, found.high * scale, found.n)


def _draw_rows(
    axis: Axes,
    rows: list[tuple[str, Interval, list[float]]],
    styles: dict[str, LineStyle],
    neutral: float,
) -> None:
    """Draw seeds, mean and interval of each row around a neutral line."""
    axis.axvline(neutral, color=INK, linewidth=0.9, zorder=1)
    for row, (codec, found, seeds) in enumerate(rows):
        style = styles[codec]
        if not found.n:
            axis.annotate(
                "target not reached",
                (0.97, row),
                xycoords=("axes fraction", "data"),
                va="center",
                ha="right",
                fontsize=8,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
            )
            continue
        axis.plot(
            seeds,
            [row - 0.2] * len(seeds),
            style.marker,
            markersize=3.5,
            markerfacecolor="none",
            color=style.color,
            markeredgewidth=0.8,
        )
        if isfinite(found.low):
            axis.plot([found.low, found.high], [row + 0.1] * 2, color=style.color, marker="|")
        axis.plot([found.mean], [row + 0.1], style.marker, color=style.color, markersize=5.5)
        write_beside(axis, f"n = {found.n}", (1.0, row), 3, xycoords=("axes fraction", "data"))
    axis.grid(True, axis="y", color=GRID, linewidth=0.4)


def _format_ratios(axes: list[Axes]) -> None:
    for axis in axes:
        axis.set_xscale("log")
        format_log_ticks(axis.xaxis)
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}×"))
