"""The metric against hours, one panel per link and setting."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from fedbytes.plots.link_time.link_table import LinkComparison, show_seconds
from fedbytes.plots.method_looks import assign_line_styles
from fedbytes.plots.number_axis import drawn_values, on_log_axis
from fedbytes.plots.shown_text import distinct
from fedbytes.plots.style import (
    add_legend,
    add_note,
    label_bottom,
    label_width,
    make_panels,
    name_values,
    styled,
)
from fedbytes.plots.tables.store_tables import NothingToDrawError

_TICKS = (0.1, 1, 10, 60, 600, 3600, 6 * 3600, 86400, 7 * 86400, 60 * 86400, 600 * 86400)
_FINER = (
    *(a * b for b in (0.001, 0.01, 0.1, 1) for a in (1, 2, 5)), 10, 20, 30,
    *(60 * a for a in (1, 2, 5, 10, 20, 30)), *(3600 * a for a in (1, 2, 3, 6, 12, 24)),
    *(86400 * a for a in (2, 4, 7, 14, 30, 60, 120, 240, 600)),
)  # fmt: skip
_MOST_TICKS = 5


@styled
def draw_hours(over: Sequence[LinkComparison]) -> Figure:
    """Draw the metric against the time that the runs would have taken, a line per codec.

    Raises:
        NothingToDrawError: if no round after the first was evaluated.
    """
    panels = [(one, setting) for one in over for setting in one.comparison.settings]
    several = len(over[0].comparison.settings) > 1
    titles = [
        f"{one.link}\n{setting.title}" if several else str(one.link) for one, setting in panels
    ]
    figure, axes = make_panels(titles, columns=2, sharey=True)
    first = over[0].comparison
    styles = assign_line_styles(first.codecs, first.baseline)
    for axis, (one, setting) in zip(axes, panels, strict=True):
        extent: list[float] = []
        for codec in reversed(one.comparison.present(setting)):
            curve = one.comparison.curve(setting, codec)
            curve = curve[curve["bytes"].isin(on_log_axis(curve["bytes"]))]
            mean, style = drawn_values(curve["mean"], first.metric.scale), styles[codec]
            if not np.isfinite(mean).any():
                continue
            axis.plot(
                curve["bytes"],
                mean,
                color=style.color,
                marker=style.marker,
                linestyle=style.linestyle,
                markevery=0.1,
            )
            extent += [*curve["bytes"].iloc[[0, -1]]] if len(curve) else []
        if not extent:
            raise NothingToDrawError("no round after the first was evaluated")
        axis.set_xscale("log")
        low, high = min(extent) / 1.3, max(extent) * 1.3
        axis.set_xlim(low, high)
        axis.xaxis.set_major_locator(FixedLocator(duration_ticks(low, high)))
        axis.xaxis.set_minor_locator(NullLocator())
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: show_seconds(value)))
    label_bottom(axes, "Time since the first round")
    name_values(figure, first.metric.label)
    names = distinct(first.codecs, label_width())
    add_legend(figure, [styles[codec].handle(names[codec]) for codec in first.codecs])
    add_note(
        figure,
        "Recorded messages and seconds over each link; lines are means over seeds at equal rounds.",
    )
    return figure


def duration_ticks(low: float, high: float) -> list[float]:
    """Return at most five round durations within the axis."""
    for round_ones in (_TICKS, _FINER):
        inside = [tick for tick in round_ones if low <= tick <= high]
        if len(inside) >= 3:
            return inside[:: -(-len(inside) // _MOST_TICKS)]
    return [float(f"{value:.2g}") for value in np.geomspace(low * 1.2, high / 1.2, 3)]
