import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from fedbytes.plots.canvas import canvas
from fedbytes.plots.drawing.headline import describe_runs
from fedbytes.plots.drawing.heterogeneity_places import (
    MethodInSetting,
    average_bytes,
    average_values,
)
from fedbytes.plots.drawing.heterogeneity_slopes import STEP, fit_slopes, measure_points
from fedbytes.plots.drawing.highlights import choose_highlights
from fedbytes.plots.inference.seeds_needed import FEWEST_SEEDS
from fedbytes.plots.method_looks import FAINT, INK, LineStyle, assign_line_styles
from fedbytes.plots.number_axis import format_log_ticks
from fedbytes.plots.number_words import format_bytes
from fedbytes.plots.store_figure import FIGURES, FigureOptions, StoreFigure
from fedbytes.plots.style import (
    add_headline,
    add_legend,
    add_note,
    label_bottom,
    make_panels,
    points,
)
from fedbytes.plots.svg_marks import mark
from fedbytes.plots.tables.comparison import Comparison, compare_codecs
from fedbytes.plots.tables.store_tables import Tables


@FIGURES.register("heterogeneity")
@dataclass(frozen=True)
class Heterogeneity(StoreFigure):
    """Final metric and bytes to the target by setting, over NMI, and both against the baseline."""

    title = "The cost of heterogeneous clients"
    caption = (
        "Final value and bytes to the target in each setting, over the measured heterogeneity of "
        "its partitions. Settings of one scheme are joined, up to a bound: a hollow triangle."
    )
    order = 50
    asks = ("metric", "baseline", "final", "target")

    def rows(self, tables: Tables, options: FigureOptions) -> pd.DataFrame:
        """Return slopes over NMI, whose intervals take the settings as independent."""
        comparison = compare_codecs(tables, options.metric, options.baseline)
        return fit_slopes(measure_points(tables, comparison, options.target))

    def _draw(self, tables: Tables, options: FigureOptions) -> Figure:
        comparison = compare_codecs(tables, options.metric, options.baseline)
        frame = measure_points(tables, comparison, options.target)
        scale = comparison.metric.scale
        paired = comparison.baseline is not None and len(comparison.codecs) > 1
        columns = 2 if paired and canvas().width > 5 else 1
        figure, axes = make_panels(_titles(comparison, paired), 2.5, columns, sharex=True)
        styles = assign_line_styles(comparison.codecs, comparison.baseline)
        coloured = choose_highlights(comparison, options.highlight)
        needed, ratios = average_bytes(tables, comparison, options)
        of_value = average_values(comparison, frame, "value", scale)
        panels = [(of_value, False), (needed, True)]
        if paired:
            gaps = average_values(comparison, frame, "difference", scale)
            panels = [panels[0], (gaps, False), panels[1], (ratios, True)]
        for axis, (places, logs) in zip(axes, panels, strict=True):
            _draw_panel(axis, places, styles, coloured, logs)
        _bound_values(axes[0], scale)
        axes[2 if paired else 1].yaxis.set_major_formatter(FuncFormatter(format_bytes))
        if paired:
            axes[1].axhline(0, color=INK, linewidth=points(0.9), zorder=1)
            axes[3].axhline(1, color=INK, linewidth=points(0.9), zorder=1)
            axes[3].yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}×"))
        known = [s.heterogeneity for s in comparison.settings if isfinite(s.heterogeneity)]
        axes[0].set_xlim(0, max(0.05, *(1.04 * nmi for nmi in known)))
        label_bottom(axes, "Measured heterogeneity (NMI)", columns)
        add_legend(figure, [styles[codec].handle(codec) for codec in coloured])
        add_headline(figure, describe_runs(tables, comparison))
        add_note(figure, _describe(comparison, frame, coloured, scale))
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


def _draw_panel(
    axis: Axes,
    places: Sequence[MethodInSetting],
    styles: dict[str, LineStyle],
    coloured: Sequence[str],
    logs: bool,
) -> None:
    if logs and places:
        axis.set_yscale("log")
    for method in styles:
        mine = [p for p in places if p.method == method and isfinite(p.nmi)]
        style = styles[method]
        color = style.color if method in coloured else FAINT
        for scheme in dict.fromkeys(place.scheme for place in mine):
            ordered = sorted((p for p in mine if p.scheme == scheme), key=lambda p: p.nmi)
            for estimated, group in itertools.groupby(ordered, key=lambda p: p.estimated):
                joined = list(group)
                if not estimated or len(joined) < 2:
                    continue  # no line passes over a setting that is a bound
                (line,) = axis.plot(
                    [p.nmi for p in joined], [p.value for p in joined], color=color,
                    linestyle=style.linestyle, linewidth=points(1.1), alpha=0.8,
                )  # fmt: skip
                mark(line, method)
        for place in mine:
            _draw_place(axis, place, style, color)
    if logs and places:
        format_log_ticks(axis.yaxis)


_BOUNDS = {"above": "^", "below": "v"}


def _draw_place(axis: Axes, place: MethodInSetting, style: LineStyle, color: str) -> None:
    if isfinite(place.low) and isfinite(place.high):
        (bar,) = axis.plot([place.nmi] * 2, [place.low, place.high], color=color, marker="_",
                           markersize=points(4), linewidth=points(0.9))  # fmt: skip
        mark(bar, place.method)
    for bound in ("", "above", "below"):
        seen = [value for value, side in place.seeds if side == bound and isfinite(value)]
        if not seen or (len(place.seeds) == 1 and isfinite(place.value)):
            continue
        (dots,) = axis.plot([place.nmi] * len(seen), seen, _BOUNDS.get(bound, style.marker),
                            color=color, markersize=points(3 if bound else 2.2),
                            markerfacecolor="none" if bound else color, alpha=0.5,
                            markeredgewidth=points(0.5))  # fmt: skip
        mark(dots, place.method)
    if not isfinite(place.value):
        return
    look = _BOUNDS.get(place.bound, style.marker)
    (dot,) = axis.plot([place.nmi], [place.value], look, color=color, markersize=points(4.4),
                       markerfacecolor="none" if place.bound else color)  # fmt: skip
    words = f"{place.method}, {place.setting}: {place.bound} {place.value:.4g}"
    mark(dot, place.method, words.replace(":  ", ": "))


def _bound_values(axis: Axes, scale: float) -> None:
    low, high = axis.get_ylim()
    if scale == 100 and axis.dataLim.y1 <= 100:
        axis.set_ylim(max(low, 0) if axis.dataLim.y0 >= 0 else low, min(high, 100.5))


def _describe(
    comparison: Comparison, frame: pd.DataFrame, coloured: Sequence[str], scale: float
) -> str:
    words = (
        f"Marks: settings, means over seeds; bars: 95 % intervals, from {FEWEST_SEEDS} seeds on; "
        "small: seeds below that.\nHollow triangles: bounds, where runs miss the target or are "
        "beyond it at once; small ones are of one run. Lines join settings of one scheme, and "
        "stop at bounds and at targets that are too easy."
    )
    slopes = fit_slopes(frame, scale)
    slopes = slopes[slopes["quantity"] == "difference"]
    lines = [
        _slope(row, scale == 100) for row in slopes.to_dict("records") if row["codec"] in coloured
    ]
    grey = [method for method in comparison.codecs if method not in coloured]
    lines += [f"Grey: {', '.join(grey)}."] if grey else []
    return "\n".join([words, *lines])


def _slope(row: dict[object, float], percent: bool) -> str:
    unit = " points" if percent else ""
    signed = [
        f"{row[name]:+.2g}".replace("-", "−") for name in ("slope", "low", "high")
    ]  # fmt: skip
    return (
        f"{row['codec']}: difference {signed[0]}{unit} per {STEP} NMI ({signed[1]} to "
        f"{signed[2]}), n = {row['n']} in {row['settings']} settings"
    )
