"""The metric against what was sent, and against rounds."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from fedbytes.plots.style import Look, bytes_axis, label_bottom, legend, looks, note, panels, styled
from fedbytes.plots.tables.comparison import Setting, Study, study
from fedbytes.plots.tables.store_tables import Tables


def draw_against_bytes(
    tables: Tables, metric: str | None = None, baseline: str | None = None
) -> Figure:
    """Draw the metric against cumulative message bytes, both directions, all clients."""
    return _draw(study(tables, metric, baseline), "bytes")


def draw_against_rounds(
    tables: Tables, metric: str | None = None, baseline: str | None = None
) -> Figure:
    """Draw the metric against rounds: what compression costs when bytes are free."""
    return _draw(study(tables, metric, baseline), "round")


WIDE = 6.0
"""Values that differ by more than this factor are drawn on a logarithmic axis."""


@styled
def _draw(chosen: Study, across: str) -> Figure:
    figure, axes = panels([s.title for s in chosen.settings], columns=2, sharey=True)
    look = looks(chosen.codecs, chosen.baseline)
    extent: list[float] = []
    for axis, setting in zip(axes, chosen.settings, strict=True):
        for codec in reversed(chosen.present(setting)):  # the baseline is drawn on top
            curve = chosen.curve(setting, codec)
            if across == "bytes":
                curve = curve[curve["bytes"] > 0]
            _line(axis, curve, across, look[codec], codec, chosen.metric.scale)
            extent += [*curve[across].iloc[[0, -1]]] if len(curve) else []
        if across == "bytes":
            _mark_start(axis, chosen, setting)
    _frame(axes, 100.0 if chosen.metric.scale == 100 else np.inf)
    for axis in axes:
        if across == "bytes" and extent:
            bytes_axis(axis, min(extent), max(extent))
        else:
            axis.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    label_bottom(axes, "Bytes sent, both ways, all clients" if across == "bytes" else "Round")
    figure.supylabel(chosen.metric.label)
    legend(figure, [look[codec].handle(codec) for codec in chosen.codecs])
    note(figure, _how(chosen))
    return figure


def _mark_start(axis: Axes, chosen: Study, setting: Setting) -> None:
    """Draw the lowest start of all methods as a line: nothing was sent for it, so it has no x."""
    begun = chosen.initial(setting)
    if begun.empty:
        return
    by_codec = begun.groupby("codec")["value"].mean()
    value = float(by_codec.min() if chosen.metric.rises else by_codec.max()) * chosen.metric.scale
    axis.axhline(value, color="0.45", linestyle=":", linewidth=1.0, zorder=0.5)
    axis.annotate(
        "before training",
        (0.99, value),
        xycoords=("axes fraction", "data"),
        xytext=(0, 3),
        textcoords="offset points",
        ha="right",
        color="0.35",
        fontsize="small",
    )


def _frame(axes: list[Axes], ceiling: float) -> None:
    """Fit the frame to the lines; a band of few seeds can be wider than what is to be seen."""
    heights = [np.asarray(line.get_ydata(), dtype=float) for axis in axes for line in axis.lines]
    seen = np.concatenate(heights) if heights else np.empty(0)
    seen = seen[np.isfinite(seen)]
    if len(seen) and seen.min() > 0 and seen.max() > WIDE * seen.min():
        # A perplexity that falls from thousands to tens: its last rounds are what is looked at.
        axes[0].set_yscale("log")
        axes[0].set_ylim(seen.min() / 1.15, min(seen.max() * 1.15, ceiling))
        axes[0].yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes[0].yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes[0].yaxis.set_minor_locator(NullLocator())
    elif len(seen):
        margin = 0.3 * max(np.ptp(seen), 1e-3 * abs(seen.max()), 1e-12)
        low, high = axes[0].get_ylim()
        axes[0].set_ylim(max(low, seen.min() - margin), min(high, seen.max() + margin, ceiling))


def _line(
    axis: Axes, curve: pd.DataFrame, across: str, look: Look, codec: str, scale: float
) -> None:
    x = curve[across].to_numpy(dtype=float)
    mean, low, high = (
        np.where(np.isfinite(values), values * scale, np.nan)
        for values in (curve[name].to_numpy(dtype=float) for name in ("mean", "low", "high"))
    )
    axis.plot(
        x,
        mean,
        color=look.color,
        marker=look.marker,
        linestyle=look.linestyle,
        label=codec,
        markevery=0.06,
    )
    # Where a run ends is what it bought: that point always has its marker.
    axis.plot(x[-1:], mean[-1:], color=look.color, marker=look.marker, label=f"_{codec} end")
    axis.fill_between(x, low, high, color=look.color, alpha=0.15, linewidth=0)


def _how(chosen: Study) -> str:
    seeds = {
        int(count)
        for setting in chosen.settings
        for count in setting.rows.groupby("codec")["seed"].nunique()
    }
    few, many = min(seeds), max(seeds)
    if many == 1:
        return "One seed: no interval."
    count = str(many) if few == many else f"{few} to {many}"
    lines = f"Lines: mean over {count} seeds at equal rounds."
    return f"{lines} Bands: 95 % t interval; the frame fits the lines."
