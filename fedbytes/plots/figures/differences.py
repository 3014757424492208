"""Paired differences to the baseline as a figure."""

from math import isfinite

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from fedbytes.experiments.config.target import Target
from fedbytes.plots.style import GRID, INK, WIDTH, Look, looks, note, panels, styled
from fedbytes.plots.tables.comparison import study
from fedbytes.plots.tables.paired_differences import differences
from fedbytes.plots.tables.statistics import Interval
from fedbytes.plots.tables.store_tables import NothingToDrawError, Tables


@styled
def draw(
    tables: Tables,
    metric: str | None = None,
    target: Target = None,
    baseline: str | None = None,
) -> Figure:
    """Draw each codec's paired difference in the final metric and its ratio of bytes to target.

    Raises:
        NothingToDrawError: if there is no baseline, or nothing to compare with it.
    """
    chosen = study(tables, metric, baseline)
    rows = [(s, found) for s in chosen.settings if (found := differences(chosen, s, target))]
    if not rows:
        raise NothingToDrawError("no run to pair with a baseline: fp32 or another codec is missing")
    titles = [title for s, _ in rows for title in (s.title, "")]
    figure, axes = panels(titles, columns=2, sharey="row", sharex="col")
    most = max(len(found) for _, found in rows)
    figure.set_size_inches(WIDTH, 0.75 + len(rows) * (0.7 + 0.26 * most))
    look = looks(chosen.codecs, chosen.baseline)
    for (_, found), left, right in zip(rows, axes[::2], axes[1::2], strict=True):
        scale = chosen.metric.scale
        gaps = [(d.codec, _scaled(d.metric, scale), [g * scale for g in d.metrics]) for d in found]
        _forest(left, gaps, look, 0.0)
        _forest(right, [(d.codec, d.ratio, list(d.ratios)) for d in found], look, 1.0)
        left.set_yticks(range(len(found)), [d.codec for d in found])
        left.set_ylim(len(found) - 0.5, -0.5)
    _ratio_axis(axes[1::2])
    axes[-2].xaxis.set_major_locator(MaxNLocator(nbins=5))
    unit = " (points)" if chosen.metric.scale == 100 else ""
    name = chosen.metric.name.replace("_", "-")
    axes[-2].set_xlabel(f"Final {name} minus {chosen.baseline}'s{unit}")
    axes[-1].set_xlabel("Times fewer bytes to the target")
    note(
        figure,
        "Hollow: one seed. Filled: mean over seeds, with 95 % t interval and n. "
        "The line is the baseline.",
    )
    return figure


def _scaled(found: Interval, scale: float) -> Interval:
    return Interval(found.mean * scale, found.low * scale, found.high * scale, found.n)


def _forest(
    axis: Axes,
    rows: list[tuple[str, Interval, list[float]]],
    look: dict[str, Look],
    neutral: float,
) -> None:
    """Draw seeds, mean and interval of each row around a neutral line."""
    axis.axvline(neutral, color=INK, linewidth=0.9, zorder=1)
    for place, (codec, found, seeds) in enumerate(rows):
        style = look[codec]
        if not found.n:
            axis.annotate(
                "target not reached",
                (0.97, place),
                xycoords=("axes fraction", "data"),
                va="center",
                ha="right",
                fontsize=8,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
            )
            continue
        axis.plot(
            seeds,
            [place - 0.2] * len(seeds),
            style.marker,
            markersize=3.5,
            markerfacecolor="none",
            color=style.color,
            markeredgewidth=0.8,
        )
        if isfinite(found.low):
            axis.plot([found.low, found.high], [place + 0.1] * 2, color=style.color, marker="|")
        axis.plot([found.mean], [place + 0.1], style.marker, color=style.color, markersize=5.5)
        axis.annotate(
            f"n = {found.n}",
            (1.0, place),
            xycoords=("axes fraction", "data"),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    axis.grid(True, axis="y", color=GRID, linewidth=0.4)


def _ratio_axis(axes: list[Axes]) -> None:
    for axis in axes:
        axis.set_xscale("log")
        low, high = axis.get_xlim()
        subs = (1.0, 2.0, 5.0) if high / low < 300 else (1.0,)
        axis.xaxis.set_major_locator(LogLocator(subs=subs, numticks=12))
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}×"))
        axis.xaxis.set_minor_formatter(NullFormatter())
