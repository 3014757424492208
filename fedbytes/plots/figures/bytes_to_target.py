from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fedbytes.plots.drawing.codec_rows import label_rows, write_beside
from fedbytes.plots.number_axis import format_bytes_axis, on_log_axis
from fedbytes.plots.number_words import format_bytes
from fedbytes.plots.shown_text import cut
from fedbytes.plots.store_figure import FIGURES, FigureOptions, StoreFigure
from fedbytes.plots.style import (
    INK,
    PAPER,
    WIDTH,
    LineStyle,
    add_note,
    assign_line_styles,
    extra_height,
    make_panels,
    wrap_title,
)
from fedbytes.plots.tables.comparison import Metric, compare_codecs
from fedbytes.plots.tables.store_tables import NothingToDrawError, Tables
from fedbytes.plots.tables.target_bytes import TargetBytes, measure_target_bytes, resolve_target

_TITLE_WIDTH = 4.6  # inches right of the codecs' names


@FIGURES.register("target")
@dataclass(frozen=True)
class BytesToTarget(StoreFigure):
    """The bytes that each codec needs to reach the target, and its ratio to the baseline."""

    title = "Bytes to the target"
    caption = "Cumulative bytes at the first evaluated round that reaches the target."
    order = 30

    def _draw(self, tables: Tables, options: FigureOptions) -> Figure:
        comparison = compare_codecs(tables, options.metric, options.baseline)
        goals = [
            resolve_target(comparison, setting, options.target) for setting in comparison.settings
        ]
        found = [
            measure_target_bytes(comparison, s, goal)
            for s, (goal, _) in zip(comparison.settings, goals, strict=True)
        ]
        figure, axes = make_panels([""] * len(goals), columns=1, sharex=True)
        titles = [wrap_title(setting.title, _TITLE_WIDTH) for setting in comparison.settings]
        above = 0.78 + extra_height(titles)
        figure.set_size_inches(WIDTH, 0.65 + len(axes) * (above + 0.27 * len(comparison.codecs)))
        styles = assign_line_styles(comparison.codecs, comparison.baseline)
        ends = on_log_axis(_end(item) for items in found for item in items)
        if not ends:
            raise NothingToDrawError("no run has sent a byte")
        for axis, items, title, goal in zip(axes, found, titles, goals, strict=True):
            # Half a decade to the left so that the shortest bar is seen; room for words right.
            format_bytes_axis(axis, min(ends) / 3, max(ends) * 4, most=8)
            _bars(axis, items, styles, comparison.baseline)
            axis.set_title(title, loc="left", pad=16)
            axis.annotate(
                _goal(comparison.metric, *goal),
                (0, 1),
                xycoords="axes fraction",
                xytext=(0, 4),
                textcoords="offset points",
                fontsize=8,
            )
            axis.xaxis.set_tick_params(labelbottom=True)
        axes[-1].set_xlabel("Bytes to the target, both ways, all clients (log scale)")
        add_note(figure, _describe(comparison.baseline))
        return figure


def _goal(metric: Metric, goal: float, why: str) -> str:
    sign = "≥" if metric.rises else "≤"
    unit = " %" if metric.scale == 100 else ""
    name = cut(metric.name.replace("_", "-"), 1.2)
    return cut(f"target: {name} {sign} {metric.show(goal)}{unit} ({why})", _TITLE_WIDTH)


def _end(item: TargetBytes) -> float:
    return item.bytes.mean if item.reached else item.spent


def _bars(
    axis: Axes, items: list[TargetBytes], styles: dict[str, LineStyle], baseline: str | None
) -> None:
    left, right = axis.get_xlim()
    for row, item in enumerate(items):
        end = float(np.clip(np.nan_to_num(_end(item), posinf=right / 4), left, right / 4))
        axis.barh(
            row,
            end - left,
            left=left,
            height=0.62,
            linewidth=1.2,
            label=item.codec,
            **_fill(item, styles[item.codec].color),
        )
        tip = end
        if item.reached and isfinite(item.bytes.low):
            # Of few seeds it can be far wider than the axis: it ends where words need the place.
            ends = [max(item.bytes.low, left), min(item.bytes.high, max(end, right / 4))]
            axis.plot(ends, [row, row], color=INK, linewidth=1.1)
            for edge, shown in zip((item.bytes.low, item.bytes.high), ends, strict=True):
                mark = "|" if edge == shown else ("<" if shown == left else ">")
                axis.plot([shown], [row], color=INK, marker=mark, markersize=5)
            tip = max(end, ends[1])
        write_beside(axis, _words(item, baseline), (tip, row), 5)
    label_rows(axis, [item.codec for item in items], above=0.6, below=0.6)
    axis.grid(False, axis="y")


def _fill(item: TargetBytes, color: str) -> dict[str, Any]:
    """Return a pale bar with a strong edge: the interval over it stays legible."""
    if not item.reached:
        return {"facecolor": PAPER, "edgecolor": color, "linestyle": (0, (3, 2))}
    hatch = "////" if item.reached < item.seeds else None
    return {"facecolor": (color, 0.4), "edgecolor": color, "hatch": hatch}


def _words(item: TargetBytes, baseline: str | None) -> str:
    if not item.reached:
        return f"not reached with {format_bytes(item.spent)}"
    words = format_bytes(item.bytes.mean)
    if item.codec != baseline and item.ratio.n:
        words += f",  ratio {item.ratio.mean:.3g}"
        if isfinite(item.ratio.low):
            words += f" ({item.ratio.low:.3g} to {item.ratio.high:.3g})"
    if item.reached < item.seeds:
        words += f", {item.reached} of {item.seeds} seeds"
    return words


def _describe(baseline: str | None) -> str:
    words = "Geometric means with 95 % t intervals of the logarithms over seeds."
    if baseline:
        words += f"\nRatio: {baseline}'s bytes over the codec's, paired by seed."
    return words + " Dashed: no seed reaches it. Hatched: some do."
