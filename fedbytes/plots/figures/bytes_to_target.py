"""Bytes to reach a target metric, as bars."""

from math import isfinite
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fedbytes.experiments.config.target import Target
from fedbytes.plots.style import (
    INK,
    PAPER,
    WIDTH,
    Look,
    bytes_axis,
    format_bytes,
    looks,
    note,
    panels,
    styled,
)
from fedbytes.plots.tables.comparison import Metric, study
from fedbytes.plots.tables.store_tables import Tables
from fedbytes.plots.tables.target_bytes import Reach, reach, resolve


@styled
def draw(
    tables: Tables,
    metric: str | None = None,
    target: Target = None,
    baseline: str | None = None,
) -> Figure:
    """Draw the bytes that each codec needs to reach the target, and its ratio to the baseline.

    Args:
        tables: the store's tables.
        metric: see `study`.
        target: in the metric's own unit (0 to 1 for accuracy); by default 98 % of the baseline's
            final mean in each setting.
        baseline: see `study`.
    """
    chosen = study(tables, metric, baseline)
    goals = [resolve(chosen, setting, target) for setting in chosen.settings]
    found = [reach(chosen, s, goal) for s, (goal, _) in zip(chosen.settings, goals, strict=True)]
    figure, axes = panels([""] * len(goals), columns=1, sharex=True)
    figure.set_size_inches(WIDTH, 0.65 + len(axes) * (0.78 + 0.27 * len(chosen.codecs)))
    look = looks(chosen.codecs, chosen.baseline)
    ends = [_end(item) for items in found for item in items]
    for axis, items, setting, goal in zip(axes, found, chosen.settings, goals, strict=True):
        # Half a decade to the left, so that the shortest bar has a length; room for words right.
        bytes_axis(axis, min(ends) / 3, max(ends) * 4, most=8)
        _bars(axis, items, look, chosen.baseline)
        axis.set_title(setting.title, loc="left", pad=16)
        axis.annotate(
            _goal(chosen.metric, *goal),
            (0, 1),
            xycoords="axes fraction",
            xytext=(0, 4),
            textcoords="offset points",
            fontsize=8,
        )
        axis.xaxis.set_tick_params(labelbottom=True)
    axes[-1].set_xlabel("Bytes to the target, both ways, all clients (log scale)")
    note(figure, _how(chosen.baseline))
    return figure


def _goal(metric: Metric, goal: float, why: str) -> str:
    sign = "≥" if metric.rises else "≤"
    unit = " %" if metric.scale == 100 else ""
    return f"target: {metric.name.replace('_', '-')} {sign} {metric.show(goal)}{unit} ({why})"


def _end(item: Reach) -> float:
    return item.bytes.mean if item.reached else item.spent


def _bars(axis: Axes, items: list[Reach], look: dict[str, Look], baseline: str | None) -> None:
    left, right = axis.get_xlim()
    for place, item in enumerate(items):
        end = _end(item)
        axis.barh(
            place,
            end - left,
            left=left,
            height=0.62,
            linewidth=1.2,
            label=item.codec,
            **_fill(item, look[item.codec].color),
        )
        tip = end
        if item.reached and isfinite(item.bytes.low):
            # Of few seeds it can be far wider than the axis: it ends where words need the place.
            ends = [max(item.bytes.low, left), min(item.bytes.high, max(end, right / 4))]
            axis.plot(ends, [place, place], color=INK, linewidth=1.1)
            for edge, shown in zip((item.bytes.low, item.bytes.high), ends, strict=True):
                mark = "|" if edge == shown else ("<" if shown == left else ">")
                axis.plot([shown], [place], color=INK, marker=mark, markersize=5)
            tip = max(end, ends[1])
        axis.annotate(
            _words(item, baseline),
            (tip, place),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    axis.set_yticks(range(len(items)), [item.codec for item in items])
    axis.set_ylim(len(items) - 0.4, -0.6)
    axis.grid(False, axis="y")


def _fill(item: Reach, color: str) -> dict[str, Any]:
    """Return a pale bar with a strong edge: the interval over it stays legible."""
    if not item.reached:
        return {"facecolor": PAPER, "edgecolor": color, "linestyle": (0, (3, 2))}
    hatch = "////" if item.reached < item.seeds else None
    return {"facecolor": (color, 0.4), "edgecolor": color, "hatch": hatch}


def _words(item: Reach, baseline: str | None) -> str:
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


def _how(baseline: str | None) -> str:
    words = "Geometric means with 95 % t intervals of the logarithms over seeds."
    if baseline:
        words += f"\nRatio: {baseline}'s bytes over the codec's, paired by seed."
    return words + " Dashed: no seed reaches it. Hatched: some do."
