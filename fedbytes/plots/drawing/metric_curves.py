"""Curves of a metric over a run: one panel per setting, one line per codec."""

from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from fedbytes.plots.number_axis import (
    LARGEST_DRAWN,
    drawn_values,
    format_bytes_axis,
    on_log_axis,
)
from fedbytes.plots.style import (
    LineStyle,
    add_legend,
    add_note,
    assign_line_styles,
    label_bottom,
    make_panels,
    name_values,
)
from fedbytes.plots.tables.comparison import Comparison, Setting
from fedbytes.plots.tables.store_tables import NothingToDrawError

LOG_FACTOR = 6.0


def draw_metric_curves(
    comparison: Comparison, across: Literal["bytes", "round"], log_factor: float = LOG_FACTOR
) -> Figure:
    """Draw the metric against bytes or rounds, one panel per setting, one line per codec.

    Args:
        comparison: what is drawn.
        across: what the x axis shows.
        log_factor: values that differ by more than this factor have a logarithmic axis.
    """
    if across == "bytes" and not on_log_axis(
        spent for s in comparison.settings for spent in s.rows["total_bytes"]
    ):
        raise NothingToDrawError("no run has sent a byte")
    figure, axes = make_panels([s.title for s in comparison.settings], columns=2, sharey=True)
    styles = assign_line_styles(comparison.codecs, comparison.baseline)
    extent: list[float] = []
    for axis, setting in zip(axes, comparison.settings, strict=True):
        for codec in reversed(comparison.present(setting)):  # the baseline is drawn on top
            curve = comparison.curve(setting, codec)
            if across == "bytes" and len(curve) and curve["bytes"].max() == 0:
                _level(axis, curve, styles[codec], codec, comparison.metric.scale)
                continue
            if across == "bytes":
                curve = curve[(curve["bytes"] > 0) & (curve["bytes"] < LARGEST_DRAWN)]
            _line(axis, curve, across, styles[codec], codec, comparison.metric.scale)
            extent += [*curve[across].iloc[[0, -1]]] if len(curve) else []
    if not any(axis.lines for axis in axes):
        raise NothingToDrawError(f"no mean of {comparison.metric.name} over seeds is finite")
    for axis, setting in zip(axes, comparison.settings, strict=True):
        if across == "bytes":
            _mark_start(axis, comparison, setting)
    ceiling = 100.0 if comparison.metric.scale == 100 else np.inf
    _fit_frame(axes, ceiling, log_factor)
    for axis in axes:
        if across == "bytes" and extent:
            format_bytes_axis(axis, min(extent), max(extent))
        else:
            axis.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    label_bottom(axes, "Bytes sent, both ways, all clients" if across == "bytes" else "Round")
    name_values(figure, comparison.metric.label)
    add_legend(figure, [styles[codec].handle(codec) for codec in comparison.codecs])
    add_note(figure, _describe(comparison, across))
    return figure


def _mark_start(axis: Axes, comparison: Comparison, setting: Setting) -> None:
    """Draw the lowest start of all methods as a line: nothing was sent for it, so it has no x."""
    begun = comparison.initial(setting)
    if begun.empty:
        return
    by_codec = begun.groupby("codec")["value"].mean()
    lowest = float(by_codec.min() if comparison.metric.rises else by_codec.max())
    value = float(drawn_values([lowest], comparison.metric.scale)[0])
    if not np.isfinite(value):
        return
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


def _fit_frame(axes: list[Axes], ceiling: float, log_factor: float) -> None:
    """Fit the y limits to the lines; with few seeds a band can be far wider than they are."""
    heights = [np.asarray(line.get_ydata(), dtype=float) for axis in axes for line in axis.lines]
    seen = np.concatenate(heights) if heights else np.empty(0)
    seen = seen[np.isfinite(seen)]
    if len(seen) and seen.max() > ceiling:  # a share above 100 % is drawn where it is
        ceiling = np.inf
    if len(seen) and seen.min() > 0 and seen.max() > log_factor * seen.min():
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
    axis: Axes, curve: pd.DataFrame, across: str, style: LineStyle, codec: str, scale: float
) -> None:
    x = curve[across].to_numpy(dtype=float)
    mean, low, high = (drawn_values(curve[name], scale) for name in ("mean", "low", "high"))
    if not np.isfinite(mean).any():
        return
    axis.plot(
        x,
        mean,
        color=style.color,
        marker=style.marker,
        linestyle=style.linestyle,
        label=codec,
        markevery=0.06,
    )
    # Where a run ends is what it bought: that point always has its marker.
    axis.plot(x[-1:], mean[-1:], color=style.color, marker=style.marker, label=f"_{codec} end")
    axis.fill_between(x, low, high, color=style.color, alpha=0.15, linewidth=0)


def _level(axis: Axes, curve: pd.DataFrame, style: LineStyle, codec: str, scale: float) -> None:
    """Draw where a method ends that sends nothing, and so has no place on an axis of bytes."""
    mean, low, high = (
        float(drawn_values(curve[name].iloc[-1:], scale)[0]) for name in ("mean", "low", "high")
    )
    if not np.isfinite(mean):
        return
    axis.axhline(mean, color=style.color, linestyle=style.linestyle, label=codec, zorder=1.5)
    if np.isfinite(low) and np.isfinite(high):
        axis.axhspan(low, high, color=style.color, alpha=0.08, linewidth=0)


def _describe(comparison: Comparison, across: str) -> str:
    seeds = {
        int(count)
        for setting in comparison.settings
        for count in setting.rows.groupby("codec")["seed"].nunique()
    }
    few, many = min(seeds), max(seeds)
    values = np.concatenate([s.rows[comparison.metric.name] for s in comparison.settings])
    lost = not np.isfinite(drawn_values(values, comparison.metric.scale)).all()
    left_out = " Infinite values are left out." if lost else ""
    spent = pd.concat([s.rows.groupby("codec")["total_bytes"].max() for s in comparison.settings])
    if across == "bytes" and (spent == 0).any():
        left_out += " A level line across: nothing is sent."
    if many == 1:
        return f"One seed: no interval.{left_out}"
    count = str(many) if few == many else f"{few} to {many}"
    lines = f"Lines: mean over {count} seeds at equal rounds."
    return f"{lines} Bands: 95 % t interval; the frame fits the lines.{left_out}"
