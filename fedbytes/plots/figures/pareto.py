from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fedbytes.plots.number_axis import drawn_values, format_bytes_axis, on_log_axis
from fedbytes.plots.number_words import format_bytes
from fedbytes.plots.store_figure import FIGURES, FigureOptions, StoreFigure
from fedbytes.plots.style import (
    INK,
    PAPER,
    LineStyle,
    add_legend,
    add_note,
    assign_line_styles,
    label_bottom,
    make_panels,
    name_values,
)
from fedbytes.plots.tables.comparison import Comparison, Setting, compare_codecs
from fedbytes.plots.tables.statistics import t_interval
from fedbytes.plots.tables.store_tables import NothingToDrawError, Tables


@FIGURES.register("pareto")
@dataclass(frozen=True)
class Pareto(StoreFigure):
    """The final metric against total bytes; codecs on the Pareto front are filled and joined."""

    title = "Final {metric} against total bytes"
    caption = (
        "The dashed line is the Pareto front: no other codec is as good for fewer bytes than a "
        "codec on it."
    )
    order = 20

    def _draw(self, tables: Tables, options: FigureOptions) -> Figure:
        comparison = compare_codecs(tables, options.metric, options.baseline)
        costs = {
            f"{codec} ({format_bytes(cost)})": cost
            for s in comparison.settings
            for codec, cost in zip(*_points(comparison, s)[:2], strict=True)
        }
        spent = on_log_axis(costs.values())
        if not spent:
            raise NothingToDrawError("no run has sent a byte")
        off = [name for name, cost in costs.items() if not on_log_axis([cost])]
        figure, axes = make_panels([s.title for s in comparison.settings], columns=2, sharey=True)
        styles = assign_line_styles(comparison.codecs, comparison.baseline)
        for axis, setting in zip(axes, comparison.settings, strict=True):
            _panel(axis, comparison, setting, styles)
            format_bytes_axis(axis, min(spent), max(spent))
        label_bottom(axes, "Total bytes, both ways, all clients")
        label = f"Final {comparison.metric.label[0].lower()}{comparison.metric.label[1:]}"
        name_values(figure, label)
        line = Line2D([], [], color=INK, linewidth=0.9, linestyle=(0, (4, 2)), label="Pareto front")
        handles = [styles[codec].handle(codec) for codec in comparison.codecs]
        for handle in handles:
            handle.set_linestyle("none")
        add_legend(figure, [*handles, line])
        add_note(
            figure,
            "Filled: on the front. Hollow: another is as good for fewer bytes. "
            "Bars: 95 % t interval over seeds."
            + (f"\nNot on this axis: {', '.join(off)}." if off else ""),
        )
        return figure


def pareto_front(costs: Sequence[float], values: Sequence[float], rises: bool = True) -> list[int]:
    """Return the indices of the points that no other equals or beats in both, by ascending cost.

    Of two equal points the first is kept.
    """
    order = sorted(range(len(costs)), key=lambda i: (costs[i], -values[i] if rises else values[i]))
    kept: list[int] = []
    for i in order:
        if values[i] != values[i]:
            continue
        best = values[kept[-1]] if kept else None
        if best is None or (values[i] > best if rises else values[i] < best):
            kept.append(i)
    return kept


def _points(comparison: Comparison, setting: Setting) -> tuple[list[str], list[float], list[float]]:
    final = comparison.final(setting)
    codecs = comparison.present(setting)
    means = final.groupby("codec")[["total_bytes", "value"]].mean()
    return codecs, [*means["total_bytes"][codecs]], [*means["value"][codecs]]


def _panel(
    axis: Axes, comparison: Comparison, setting: Setting, styles: dict[str, LineStyle]
) -> None:
    codecs, costs, values = _points(comparison, setting)
    final = comparison.final(setting)
    scale = comparison.metric.scale
    shown = drawn_values(values, scale)
    best = pareto_front(costs, values, comparison.metric.rises)
    axis.plot(
        [costs[i] for i in best],
        [shown[i] for i in best],
        color=INK,
        linewidth=0.9,
        linestyle=(0, (4, 2)),
        drawstyle="steps-post",
        label="Pareto front",
        zorder=1.5,
    )
    for i, codec in enumerate(codecs):
        seen = t_interval(comparison.by_seed(final, codec, "value").values())
        half = float(drawn_values([seen.half], scale)[0])
        axis.errorbar(
            costs[i],
            shown[i],
            yerr=half if half > 0 else None,  # NaN is not
            fmt=styles[codec].marker,
            color=styles[codec].color,
            markersize=7,
            label=codec,
            linewidth=1.1,
            markerfacecolor=styles[codec].color if i in best else PAPER,
            markeredgewidth=1.3,
        )
