from dataclasses import dataclass
from math import isfinite, log

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import (
    FixedLocator,
    FuncFormatter,
    NullFormatter,
    NullLocator,
    PercentFormatter,
)

from fedbytes.plots.drawing.direct_labels import DirectLabel, place_labels, shorten_names
from fedbytes.plots.drawing.headline import describe_runs
from fedbytes.plots.drawing.highlights import choose_highlights
from fedbytes.plots.inference.bytes_ratio import geometric_mean
from fedbytes.plots.inference.reach_profile import ReachProfile, profile_reached
from fedbytes.plots.inference.target_hits import Hit
from fedbytes.plots.method_looks import FAINT, LineStyle, assign_line_styles
from fedbytes.plots.number_axis import format_bytes_axis, on_log_axis
from fedbytes.plots.number_words import format_bytes
from fedbytes.plots.own_axes import own_axes
from fedbytes.plots.store_figure import FIGURES, FigureOptions, StoreFigure
from fedbytes.plots.style import add_headline, add_legend, add_note, make_panels, points
from fedbytes.plots.svg_marks import mark
from fedbytes.plots.tables.comparison import Comparison, compare_codecs
from fedbytes.plots.tables.store_tables import NothingToDrawError, Tables
from fedbytes.plots.verdicts.target_choice import hits_by_setting


@FIGURES.register("profile")
@dataclass(frozen=True)
class ReachProfiles(StoreFigure):
    """The share of runs, over all settings and seeds, that have reached their target by so much."""

    title = "Runs that have reached the target"
    caption = (
        "The share of all runs, over settings and seeds, that have reached their setting's target "
        "by so many bytes (Kaplan-Meier). Further left and higher is better."
    )
    order = 30
    asks = ("metric", "baseline", "target")

    def _draw(self, tables: Tables, options: FigureOptions) -> Figure:
        comparison = compare_codecs(tables, options.metric, options.baseline)
        runs, relative = _collect(tables, comparison, options)
        if not any(hit.reached for pairs in runs.values() for hit, _ in pairs):
            raise NothingToDrawError("no run reaches its target")
        figure, (axis,) = make_panels([""], height=3.0, columns=1)
        coloured = choose_highlights(comparison, options.highlight)
        styles = assign_line_styles(comparison.codecs, comparison.baseline)
        names = shorten_names(comparison.codecs)
        paid = on_log_axis(hit.bytes / unit for pairs in runs.values() for hit, unit in pairs)
        if not paid:
            raise NothingToDrawError("no run has sent a byte")
        _scale(axis, min(paid), max(paid), relative)
        labels: list[DirectLabel] = []
        order = [m for m in comparison.codecs if m not in coloured] + coloured[::-1]
        for method in order:
            if pairs := runs.get(method):
                found = profile_reached([hit for hit, _ in pairs], [unit for _, unit in pairs])
                look = styles[method] if method in coloured else None
                most = max(hit.bytes / unit for hit, unit in pairs)
                end = _step(axis, method, found, look, most)
                if look is not None:
                    labels.insert(0, DirectLabel(names[method], *end, method, look.color))
        axis.set_ylim(-0.02, 1.04)
        axis.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
        axis.set_ylabel("Runs that have reached it")
        axis.set_xlabel(
            f"Bytes over what {comparison.baseline} needs in the setting" if relative
            else "Bytes sent, both ways, all clients"
        )  # fmt: skip
        add_headline(figure, describe_runs(tables, comparison))
        note = _describe(comparison, coloured, options, relative)
        add_note(figure, note)
        if own_axes():
            add_legend(figure, [styles[method].handle(method) for method in coloured])
        elif lost := place_labels(figure, {axis: labels}):
            add_note(figure, f"{note}\nWithout room for their names: {', '.join(lost)}.")
        return figure


def _collect(
    tables: Tables, comparison: Comparison, options: FigureOptions
) -> tuple[dict[str, list[tuple[Hit, float]]], bool]:
    """Return each method's hits with what their bytes are divided by, and whether by any.

    Bytes of several settings are divided by what the baseline needs in each. Settings without that,
    or whose target a constant answer comes near, are left out.
    """
    runs: dict[str, list[tuple[Hit, float]]] = {}
    several = len(comparison.settings) > 1 and comparison.baseline is not None
    for _, hits in hits_by_setting(tables, comparison, options.target):
        base = list(hits.get(comparison.baseline or "", {}).values())
        unit = geometric_mean(base) if several and base else 1.0
        if isfinite(unit) and unit > 0 and (base or not several):
            for method, own in hits.items():
                runs.setdefault(method, []).extend((hit, unit) for hit in own.values())
    return runs, several


def _scale(axis: Axes, low: float, high: float, relative: bool) -> None:
    format_bytes_axis(axis, low / 1.1, high * 1.6, most=6)
    if relative:
        first, last = int(np.floor(log(low / 2, 10))), int(np.ceil(log(high * 2, 10)))
        wide = last - first > 3
        ticks = [10.0**p * f for p in range(first, last + 1) for f in ((1,) if wide else (1, 2, 5))]
        inside = [tick for tick in ticks if axis.get_xlim()[0] <= tick <= axis.get_xlim()[1]]
        axis.xaxis.set_major_locator(FixedLocator(inside[:: max(1, len(inside) // 7)]))
        axis.xaxis.set_minor_locator(NullLocator())
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g} ×"))


def _step(
    axis: Axes, method: str, found: ReachProfile, style: LineStyle | None, last: float
) -> tuple[float, float]:
    """Draw one profile to the last byte that its runs spent; return where its name belongs."""
    left = axis.get_xlim()[0]
    x = [left, *found.bytes, max(last, *found.bytes, left)] if found.reached else [left, last]
    y = [0.0, *found.share, found.share[-1]] if found.reached else [0.0, 0.0]
    look = {"color": FAINT, "linewidth": points(0.8)} if style is None else {
        "color": style.color, "linestyle": style.linestyle}  # fmt: skip
    (line,) = axis.plot(x, y, drawstyle="steps-post", label=method, **look)
    mark(line, method, f"{method}: {found.reached} of {found.n} runs reach it")
    if style is not None and found.reached:
        (dots,) = axis.plot(found.bytes, found.share, style.marker, color=style.color,
                            markersize=points(3.2))  # fmt: skip
        mark(dots, method, [
            f"{method}: {share * 100:.0f} % of {found.n} runs by "
            f"{format_bytes(paid) if paid > 1e3 else f'{paid:.3g} ×'}"
            for paid, share in zip(found.bytes, found.share, strict=True)
        ])  # fmt: skip
    return (float(found.bytes[-1]), float(found.share[-1])) if found.reached else (last, 0.0)


def _describe(
    comparison: Comparison, coloured: list[str], options: FigureOptions, relative: bool
) -> str:
    words = "Kaplan-Meier: a run that stops before its target counts until it stops."
    if options.target is None and not options.targets:
        words += " Target: 98 % of the baseline's final mean."
    if relative:
        words += "\nSettings are pooled by what the baseline needs in each."
    grey = [method for method in comparison.codecs if method not in coloured]
    return words + (f"\nGrey: {', '.join(grey)}." if grey else "")
