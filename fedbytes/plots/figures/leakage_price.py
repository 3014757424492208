from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, log10, nan

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fedbytes.plots.drawing.headline import describe_runs
from fedbytes.plots.drawing.points.leakage_points import (
    LeakagePoint,
    compare_leaks,
    families_of,
    leakage_points,
    leaking_audits,
    seeds_of,
)
from fedbytes.plots.method_looks import INK, LineStyle, assign_line_styles
from fedbytes.plots.number_axis import drawn_values
from fedbytes.plots.number_words import format_bytes
from fedbytes.plots.store_figure import FIGURES, FigureOptions, StoreFigure
from fedbytes.plots.style import (
    add_headline,
    add_legend,
    add_note,
    label_bottom,
    make_panels,
    name_values,
    points,
)
from fedbytes.plots.svg_marks import mark
from fedbytes.plots.tables.comparison import Comparison, Metric, Setting, compare_codecs
from fedbytes.plots.tables.store_tables import NothingToDrawError, Tables

_Valued = tuple[LeakagePoint, float]
_SMALL, _LARGE = 4.0, 12.0  # points: of the marks of fewest and of most bytes


@FIGURES.register("leakage_price")
@dataclass(frozen=True)
class LeakagePrice(StoreFigure):
    """Final metric against the share of tokens that messages give away; marks grow with bytes."""

    title = "Final {metric} against what messages give away"
    caption = (
        "Each mark is a codec, the larger the more bytes its run sent: what is left of the metric "
        "where less of the texts is found. Dashed is chance: less tells nothing."
    )
    order = 61

    def _draw(self, tables: Tables, options: FigureOptions) -> Figure:
        audit = leaking_audits(tables)[0]
        leaks = compare_leaks(tables, audit, options.baseline)
        metric = compare_codecs(tables, options.metric, options.baseline)
        panels = {
            setting.title: _with_finals(leakage_points(tables, leaks, setting), metric, setting)
            for setting in leaks.settings
        }
        every = [point for line in panels.values() for point, _ in line]
        if not every:
            raise NothingToDrawError(f"no audited run has a final {metric.metric.name}")
        figure, axes = make_panels(list(panels), height=3.0, columns=2, sharey=True)
        families = families_of(every)
        styles = assign_line_styles(families, None)
        costs = min(point.cost for point in every), max(point.cost for point in every)
        for axis, line in zip(axes, panels.values(), strict=True):
            _panel(axis, line, styles, costs, metric.metric)
        label_bottom(axes, f"Tokens that {audit} finds (%)", 2)
        name_values(figure, f"Final {metric.metric.label[0].lower()}{metric.metric.label[1:]}")
        handles = [styles[name].handle(name) for name in families]
        for handle in handles:
            handle.set_linestyle("none")
        add_legend(figure, handles)
        add_headline(figure, describe_runs(tables, metric))
        ends = " to ".join(format_bytes(cost) for cost in costs)
        add_note(figure, f"Means over {seeds_of(every)}. Size: {ends}, both ways, all clients.")
        return figure


def _with_finals(
    line: Sequence[LeakagePoint], comparison: Comparison, setting: Setting
) -> list[_Valued]:
    """Return the points whose final value is known, each with its mean over the seeds."""
    ends = pd.concat([comparison.final(one) for one in comparison.settings])
    means = ends[ends["run"].isin(setting.rows["run"])].groupby("codec")["value"].mean()
    values = [(point, float(means.get(point.method, nan))) for point in line]
    return [(point, value) for point, value in values if isfinite(value)]


def _panel(
    axis: Axes,
    line: Sequence[_Valued],
    styles: dict[str, LineStyle],
    costs: tuple[float, float],
    metric: Metric,
) -> None:
    for point, final in line:
        style = styles[point.family]
        (dot,) = axis.plot(
            [100 * point.mean], drawn_values([final], metric.scale), style.marker,
            color=style.color, label=point.method, markersize=points(_size(point.cost, *costs)),
            alpha=0.85,
        )  # fmt: skip
        words = f"{point.method}: {metric.show(final)} where {100 * point.mean:.0f} % is found"
        mark(dot, point.family, f"{words}, {point.bits:.3g} bit, {format_bytes(point.cost)}")
    chance = sum(point.chance for point, _ in line) / max(1, len(line))
    axis.axvline(100 * chance, color=INK, linewidth=points(0.9), linestyle=(0, (4, 2)), zorder=1)
    axis.set_xlim(-3, 103)


def _size(cost: float, low: float, high: float) -> float:
    """Return the points of a mark, by the logarithm of its bytes."""
    if cost <= 0 or low <= 0 or high <= low:
        return (_SMALL + _LARGE) / 2
    return _SMALL + (_LARGE - _SMALL) * log10(cost / low) / log10(high / low)
