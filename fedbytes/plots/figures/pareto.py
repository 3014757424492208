"""What each codec ends with against what it sent, and which codecs no other beats in both."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fedbytes.plots.style import (
    INK,
    PAPER,
    Look,
    bytes_axis,
    label_bottom,
    legend,
    looks,
    note,
    panels,
    styled,
)
from fedbytes.plots.tables.comparison import Setting, Study, study
from fedbytes.plots.tables.statistics import t_interval
from fedbytes.plots.tables.store_tables import Tables


def front(costs: Sequence[float], values: Sequence[float], rises: bool = True) -> list[int]:
    """Return the places of the points that no other point equals or beats in both, by cost.

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


@styled
def draw(tables: Tables, metric: str | None = None, baseline: str | None = None) -> Figure:
    """Draw the final metric against total bytes; codecs on the front are filled and joined."""
    chosen = study(tables, metric, baseline)
    figure, axes = panels([s.title for s in chosen.settings], columns=2, sharey=True)
    look = looks(chosen.codecs, chosen.baseline)
    spent = [x for s in chosen.settings for x in _points(chosen, s)[1] if x > 0]
    for axis, setting in zip(axes, chosen.settings, strict=True):
        _panel(axis, chosen, setting, look)
        bytes_axis(axis, min(spent), max(spent))
    label_bottom(axes, "Total bytes, both ways, all clients")
    figure.supylabel(f"Final {chosen.metric.label[0].lower()}{chosen.metric.label[1:]}")
    line = Line2D([], [], color=INK, linewidth=0.9, linestyle=(0, (4, 2)), label="Pareto front")
    handles = [look[codec].handle(codec) for codec in chosen.codecs]
    for handle in handles:
        handle.set_linestyle("none")
    legend(figure, [*handles, line])
    note(
        figure,
        "Filled: on the front. Hollow: another is as good for fewer bytes. "
        "Bars: 95 % t interval over seeds.",
    )
    return figure


def _points(chosen: Study, setting: Setting) -> tuple[list[str], list[float], list[float]]:
    final = chosen.final(setting)
    codecs = chosen.present(setting)
    means = final.groupby("codec")[["total_bytes", "value"]].mean()
    return codecs, [*means["total_bytes"][codecs]], [*means["value"][codecs]]


def _panel(axis: Axes, chosen: Study, setting: Setting, look: dict[str, Look]) -> None:
    codecs, costs, values = _points(chosen, setting)
    final = chosen.final(setting)
    scale = chosen.metric.scale
    best = front(costs, values, chosen.metric.rises)
    axis.plot(
        [costs[i] for i in best],
        [values[i] * scale for i in best],
        color=INK,
        linewidth=0.9,
        linestyle=(0, (4, 2)),
        drawstyle="steps-post",
        label="Pareto front",
        zorder=1.5,
    )
    for i, codec in enumerate(codecs):
        seen = t_interval(chosen.by_seed(final, codec, "value").values())
        half = seen.half * scale if np.isfinite(seen.half) else 0.0
        axis.errorbar(
            costs[i],
            values[i] * scale,
            yerr=half if half > 0 else None,
            fmt=look[codec].marker,
            color=look[codec].color,
            markersize=7,
            label=codec,
            linewidth=1.1,
            markerfacecolor=look[codec].color if i in best else PAPER,
            markeredgewidth=1.3,
        )
