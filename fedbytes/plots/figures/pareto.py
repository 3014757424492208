from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, isfinite, nan

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fedbytes.plots.drawing.constant_line import draw_constant
from fedbytes.plots.drawing.direct_labels import DirectLabel, place_labels, shorten_names
from fedbytes.plots.drawing.headline import describe_runs
from fedbytes.plots.drawing.highlights import choose_highlights
from fedbytes.plots.inference.seeds_needed import FEWEST_SEEDS
from fedbytes.plots.method_looks import FAINT, INK, PAPER, LineStyle, assign_line_styles
from fedbytes.plots.number_axis import drawn_values, format_bytes_axis, on_log_axis
from fedbytes.plots.number_words import format_bytes
from fedbytes.plots.own_axes import own_axes
from fedbytes.plots.store_figure import FIGURES, FigureOptions, StoreFigure
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
from fedbytes.plots.tables.pareto_front import count_on_front, find_front
from fedbytes.plots.tables.store_tables import NothingToDrawError, Tables
from fedbytes.plots.verdicts.run_ends import analyse_logarithm, read_ends
from fedbytes.streams import stream

_ON_A_PAGE, _DIRECT, _RESAMPLES = 12, 4, 1_000
_SELDOM = 0.1  # of the resamples
_NAMED = 10  # methods in a panel


@dataclass(frozen=True)
class _Point:
    """A method in one setting.

    Attributes:
        cost: mean bytes of a run.
        values: [seeds] final values as they are drawn; NaN where there is none.
        on_front: the share of resamples in which it is on the front.
    """

    method: str
    cost: float
    values: NDArray[np.float64]
    on_front: float = 0.0

    @property
    def mean(self) -> float:
        known = self.values[np.isfinite(self.values)]
        return float(known.mean()) if known.size else nan

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the mean over resampled seeds, which never leaves their range."""
        known = self.values[np.isfinite(self.values)]
        drawn = stream(0, "bootstrap of an end").integers(0, known.size, (_RESAMPLES, known.size))
        low, high = np.percentile(known[drawn].mean(axis=1), [2.5, 97.5])
        return float(low), float(high)


@FIGURES.register("pareto")
@dataclass(frozen=True)
class Pareto(StoreFigure):
    """The final metric against total bytes, and how sure each method's place on the front is."""

    title = "Final {metric} against total bytes"
    caption = (
        "The dashed line is the Pareto front of the means: no other method is as good for fewer "
        "bytes. The fuller a mark, the more probably its method is on the front."
    )
    order = 40

    def settings_on_page(self, comparison: Comparison, options: FigureOptions) -> int:  # noqa: ARG002
        """Return as many as have a legible panel."""
        return _ON_A_PAGE

    def _draw(self, tables: Tables, options: FigureOptions) -> Figure:
        comparison = compare_codecs(tables, options.metric, options.baseline)
        settings = comparison.settings
        found = [_measure(tables, comparison, s) for s in settings]
        costs = {f"{p.method} ({format_bytes(p.cost)})": p.cost for line in found for p in line}
        spent = on_log_axis(costs.values())
        if not spent:
            raise NothingToDrawError("no run has sent a byte")
        off = [name for name, cost in costs.items() if not on_log_axis([cost])]
        columns = fit_columns(len(settings), 2 if len(settings) <= _DIRECT else 3)
        figure, axes = make_panels(
            [s.title for s in settings], height=2.9 if len(settings) <= _DIRECT else 2.3,
            columns=columns, sharey=True,
        )  # fmt: skip
        styles = assign_line_styles(comparison.codecs, comparison.baseline)
        coloured = choose_highlights(comparison, options.highlight)
        _fit(axes[0], found, comparison)
        for axis, line, setting in zip(axes, found, settings, strict=True):
            format_bytes_axis(
                axis, min(spent) / 1.3, max(spent) * 1.3, most=5 if columns < 3 else 3
            )
            for point in line:
                _draw_point(axis, point, styles[point.method], comparison)
            _draw_front(axis, line, comparison)
            draw_constant(axis, tables, comparison, setting)
        label_bottom(axes, "Total bytes, both ways, all clients", columns)
        name_values(
            figure, f"Final {comparison.metric.label[0].lower()}{comparison.metric.label[1:]}"
        )
        direct = len(settings) <= _DIRECT and not own_axes()
        if not direct:
            handles = [styles[method].handle(method) for method in comparison.codecs]
            for handle in handles:
                handle.set_linestyle("none")
            add_legend(figure, handles)
        add_headline(figure, describe_runs(tables, comparison))
        note = _describe(found, off)
        add_note(figure, note)
        if direct:
            rank = {method: place for place, method in enumerate(coloured)}
            lost = place_labels(figure, {
                axis: _labels(line, rank, styles, shorten_names(comparison.codecs))
                for axis, line in zip(axes, found, strict=True)
            })  # fmt: skip
            if lost:
                add_note(figure, f"{note}\nWithout room for their names: {', '.join(lost)}.")
        return figure


def _measure(tables: Tables, comparison: Comparison, setting: Setting) -> list[_Point]:
    ends = read_ends(tables, comparison, setting)
    ends = {method: found for method, found in ends.items() if found.values}
    seeds = sorted({seed for found in ends.values() for seed in found.values})
    power = exp if analyse_logarithm(comparison.metric) else float
    scale, rises = comparison.metric.scale, comparison.metric.rises
    means = comparison.final(setting).groupby("codec")["total_bytes"].mean()
    points_ = []
    for method, found in ends.items():
        raw = [found.values.get(seed, nan) for seed in seeds]
        values = drawn_values([power(v) if isfinite(v) and v < 700 else v for v in raw], scale)
        points_.append(_Point(method, float(means[method]), values))
    if not points_:
        return []
    shares = count_on_front(
        np.array([p.cost for p in points_]), np.array([p.values for p in points_]), rises
    )
    return [
        _Point(p.method, p.cost, p.values, float(share))
        for p, share in zip(points_, shares, strict=True)
    ]


def _fit(axis: Axes, found: Sequence[Sequence[_Point]], comparison: Comparison) -> None:
    means = [p.mean for line in found for p in line if isfinite(p.mean)]
    if not means:
        raise NothingToDrawError(f"no final value of {comparison.metric.name} is finite")
    ends = [v for line in found for p in line for v in p.values if isfinite(v)]
    low, high = min(ends), max(ends)
    margin = 0.12 * max(high - low, 1e-3 * abs(high), 1e-12)
    top = 100.0 if comparison.metric.scale == 100 and high <= 100 else np.inf
    floor = 0.0 if low >= 0 else -np.inf
    axis.set_ylim(max(low - margin, floor), min(high + margin, top))


def _draw_point(axis: Axes, point: _Point, style: LineStyle, comparison: Comparison) -> None:
    if not isfinite(point.mean) or not on_log_axis([point.cost]):
        return
    known = point.values[np.isfinite(point.values)]
    if known.size >= FEWEST_SEEDS:
        (bar,) = axis.plot([point.cost] * 2, point.interval, color=style.color, marker="_",
                           linewidth=points(1.1), label=f"_{point.method} interval")  # fmt: skip
    else:
        (bar,) = axis.plot([point.cost] * known.size, known, style.marker, color=style.color,
                           markersize=points(2.6), markerfacecolor="none", alpha=0.7,
                           markeredgewidth=points(0.6), label=f"_{point.method} seeds")  # fmt: skip
    mark(bar, point.method)
    (dot,) = axis.plot([point.cost], [point.mean], style.marker, color=style.color,
                       markerfacecolor=_mix(style.color, point.on_front), label=point.method,
                       markersize=points(7), markeredgewidth=points(1.2))  # fmt: skip
    value = comparison.metric.show(point.mean / comparison.metric.scale)
    words = f"{point.method}: {value} for {format_bytes(point.cost)}, on the front in "
    words += f"{point.on_front * 100:.0f} % of resamples, n = {known.size}"
    mark(dot, point.method, words)


def _mix(color: str, share: float) -> str | tuple[float, ...]:
    """Return a colour between the paper and a mark's own."""
    if share in (0.0, 1.0):
        return color if share else PAPER
    pairs = zip(to_rgb(PAPER), to_rgb(color), strict=True)
    return tuple(paper + (own - paper) * share for paper, own in pairs)


def _draw_front(axis: Axes, line: Sequence[_Point], comparison: Comparison) -> None:
    line = [point for point in line if on_log_axis([point.cost])]
    front = find_front([p.cost for p in line], [p.mean for p in line], comparison.metric.rises)
    (drawn,) = axis.plot(
        [line[i].cost for i in front], [line[i].mean for i in front], color=INK,
        linewidth=points(0.9), linestyle=(0, (4, 2)), drawstyle="steps-post",
        label="Pareto front", zorder=1.5,
    )  # fmt: skip
    mark(drawn, None, "Pareto front of the means")


def _labels(
    line: Sequence[_Point],
    rank: dict[str, int],
    styles: dict[str, LineStyle],
    names: dict[str, str],
) -> list[DirectLabel]:
    """Return the methods' names with their chances, those in colour elsewhere first.

    One that is in no colour elsewhere, and hardly ever on the front, is named where one hovers.
    """
    shown = [
        p
        for p in line
        if isfinite(p.mean) and on_log_axis([p.cost]) and (p.method in rank or p.on_front > _SELDOM)
    ]
    shown.sort(key=lambda p: (rank.get(p.method, len(rank)), -p.on_front))
    return [
        DirectLabel(
            f"{names[p.method]}, {p.on_front * 100:.0f} %" if p.on_front else names[p.method],
            p.cost, p.mean, p.method, styles[p.method].color if p.on_front else FAINT,
        )
        for p in shown[:_NAMED]
    ]  # fmt: skip


def _describe(found: list[list[_Point]], off: list[str]) -> str:
    seeds = max(np.isfinite(p.values).sum() for line in found for p in line)
    words = "Per cent and fill: resamples of the seeds in which no cheaper method is as good."
    if seeds == 1:
        words = "One seed: whether a method is on the front is not known."
    words += (
        " Bars: 95 % of the mean over resamples." if seeds >= FEWEST_SEEDS else " Small: seeds."
    )
    return words + (f"\nNot on this axis: {', '.join(off)}." if off else "")
