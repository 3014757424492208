"""Differences to the baseline, paired by seed: the same data, clients and initial weights."""

from dataclasses import dataclass
from math import isfinite

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from fedbytes.experiments.target import Target
from fedbytes.plots.statistics import Interval, geometric_interval, paired, t_interval
from fedbytes.plots.study import Setting, Study, study
from fedbytes.plots.style import GRID, INK, WIDTH, Look, looks, note, panels, styled
from fedbytes.plots.tables import NothingToDrawError, Tables
from fedbytes.plots.target import bytes_to_target, resolve


@dataclass(frozen=True)
class Difference:
    """A codec against the baseline in one setting; by seed, and the mean with its interval.

    Attributes:
        metric: codec minus baseline at the end, in the metric's own unit.
        ratio: baseline's bytes to the target over the codec's, geometric mean.
        metrics, ratios: the values of the seeds behind them.
    """

    codec: str
    metric: Interval
    ratio: Interval
    metrics: tuple[float, ...]
    ratios: tuple[float, ...]


def differences(chosen: Study, setting: Setting, target: Target = None) -> list[Difference]:
    """Return each codec of a setting against the baseline; nothing if there is none."""
    base = chosen.baseline
    if base is None or base not in chosen.present(setting):
        return []
    final = chosen.final(setting)
    goal = resolve(chosen, setting, target)[0]
    values, needed = (
        chosen.by_seed(final, base, "value"),
        bytes_to_target(chosen, setting, base, goal),
    )
    found = []
    for codec in chosen.present(setting):
        if codec != base:
            ends = paired(chosen.by_seed(final, codec, "value"), values)
            costs = paired(bytes_to_target(chosen, setting, codec, goal), needed)
            gaps = tuple(own - reference for _, own, reference in ends)
            ratios = tuple(reference / own for _, own, reference in costs)
            found.append(
                Difference(codec, t_interval(gaps), geometric_interval(ratios), gaps, ratios)
            )
    return found


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
