from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isfinite, nan

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from fedbytes.plots.canvas import canvas
from fedbytes.plots.drawing.codec_rows import (
    label_rows,
    row_height,
    settings_that_fit,
    write_beside,
)
from fedbytes.plots.drawing.headline import describe_runs
from fedbytes.plots.drawing.paired_differences import Difference, compare_with_baseline
from fedbytes.plots.inference.seeds_needed import FEWEST_SEEDS
from fedbytes.plots.method_looks import GRID, INK, LineStyle, assign_line_styles
from fedbytes.plots.number_axis import format_log_ticks, on_log_axis
from fedbytes.plots.shown_text import cut, wrap
from fedbytes.plots.store_figure import FIGURES, FigureOptions, StoreFigure
from fedbytes.plots.style import add_headline, add_note, extra_height, make_panels, points, set_size
from fedbytes.plots.tables.comparison import Comparison, compare_codecs
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
    order = 65
    asks = ("metric", "baseline", "final", "target")
    appendix = True

    def settings_on_page(self, comparison: Comparison, options: FigureOptions) -> int:  # noqa: ARG002
        """Return as many as have their rows on one page."""
        return settings_that_fit(comparison.codecs, 0.9)

    def _draw(self, tables: Tables, options: FigureOptions) -> Figure:
        comparison = compare_codecs(tables, options.metric, options.baseline)
        rows = [
            (s, found)
            for s in comparison.settings
            if (found := compare_with_baseline(tables, comparison, s, options.target))
        ]
        if not rows:
            raise NothingToDrawError(
                "no run to pair with a baseline: fp32 or another codec is missing"
            )
        both = canvas().width > 5  # a column of a paper has no room for the ratios
        titles = [title for s, _ in rows for title in ((s.title, "") if both else (s.title,))]
        figure, axes = make_panels(titles, columns=1 + both, sharey="row", sharex="col")
        left_axes, right_axes = axes[:: 1 + both], axes[1::2] if both else []
        most = max(len(found) for _, found in rows)
        above = 0.7 + extra_height([axis.get_title() for axis in axes])
        row = max(0.27, row_height(comparison.codecs))
        set_size(figure, 0.75 + len(rows) * (above + row * most))
        styles = assign_line_styles(comparison.codecs, comparison.baseline)
        for (_, found), left in zip(rows, left_axes, strict=True):
            scale = comparison.metric.scale
            gaps = [
                _Row(d.codec, _scaled(d.metric, scale), [("=", g * scale) for g in d.metrics])
                for d in found
            ]
            _draw_rows(left, gaps, styles, 0.0)
            label_rows(left, [d.codec for d in found])
        for (_, found), right in zip(rows, right_axes, strict=False):
            _draw_rows(right, [_ratio_row(d) for d in found], styles, 1.0)
        _format_ratios(right_axes, _sensible(found for _, found in rows))
        left_axes[-1].xaxis.set_major_locator(MaxNLocator(nbins=5 if both else 3))
        unit = " (points)" if comparison.metric.scale == 100 else ""
        name = cut(comparison.metric.name.replace("_", "-"), 1.2)
        words = f"Final {name} minus {comparison.baseline}'s{unit}"
        for axis, label in zip(
            axes[-1 - both :], (words, "Times fewer bytes to the target"), strict=False
        ):
            axis.set_xlabel(wrap(label, 2.0, 3, points=9.0))
        add_headline(figure, describe_runs(tables, comparison))
        add_note(
            figure,
            "Hollow: one seed; an arrow is a bound, of a run that misses the target. Filled: mean, "
            f"with its 95 % interval from {FEWEST_SEEDS} seeds on. The line is the baseline.",
        )
        return figure


def _scaled(found: Interval, scale: float) -> Interval:
    return Interval(found.mean * scale, found.low * scale, found.high * scale, found.n)


@dataclass(frozen=True)
class _Row:
    """A method's mean with its interval, and its seeds with the sign of what is known of each.

    Where nothing is known of any, the row says so: `instead`.
    """

    codec: str
    mean: Interval
    seeds: list[tuple[str, float]]
    instead: str = "neither reaches it"


def _ratio_row(found: Difference) -> _Row:
    ratio = found.ratio
    if ratio is None:
        words = "target too easy" if found.too_easy else _Row.instead
        return _Row(found.codec, Interval(nan, nan, nan, 0), [], words)
    known = ratio.bound == "about"
    mean = Interval(ratio.ratio if known else nan, ratio.low, ratio.high, ratio.n)
    seeds = [(sign, value) for sign, value in ratio.seeds if isfinite(value)]
    return _Row(found.codec, mean, seeds)


def _draw_rows(
    axis: Axes,
    rows: list[_Row],
    styles: dict[str, LineStyle],
    neutral: float,
) -> None:
    """Draw seeds, mean and interval of each row around a neutral line."""
    axis.axvline(neutral, color=INK, linewidth=0.9, zorder=1)
    for row, item in enumerate(rows):
        style, found = styles[item.codec], item.mean
        if not item.seeds:
            axis.annotate(
                item.instead,
                (0.97, row),
                xycoords=("axes fraction", "data"),
                va="center",
                ha="right",
                fontsize=points(),
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
            )
            continue
        for sign, value in item.seeds:
            axis.plot(
                [value],
                [row - 0.2],
                style.marker if sign == "=" else sign,
                markersize=3.5,
                markerfacecolor="none",
                color=style.color,
                markeredgewidth=0.8,
            )
        if isfinite(found.low) and found.n >= FEWEST_SEEDS:
            axis.plot([found.low, found.high], [row + 0.1] * 2, color=style.color, marker="|")
        if isfinite(found.mean):
            axis.plot([found.mean], [row + 0.1], style.marker, color=style.color, markersize=5.5)
        write_beside(axis, f"n = {found.n}", (1.0, row), 3, xycoords=("axes fraction", "data"))
    axis.grid(True, axis="y", color=GRID, linewidth=0.4)


def _sensible(found: Iterable[Sequence[Difference]]) -> tuple[float, float]:
    """Return the range of the ratios of seeds and means; intervals of few can be far wider."""
    rows = [_ratio_row(d) for line in found for d in line]
    ratios = [r for row in rows for r in (*(v for _, v in row.seeds), row.mean.mean, 1.0)]
    known = on_log_axis(ratios)
    return min(known) / 2, max(known) * 2


def _format_ratios(axes: list[Axes], ends: tuple[float, float]) -> None:
    for axis in axes:
        axis.set_xscale("log")
        axis.set_xlim(*ends)
        format_log_ticks(axis.xaxis)
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}×"))
