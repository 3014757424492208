import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, nan

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from fedbytes.plots.canvas import canvas
from fedbytes.plots.drawing.codec_rows import (
    clip_ends,
    label_rows,
    make_row_panels,
    row_height,
    settings_that_fit,
    write_columns,
)
from fedbytes.plots.drawing.headline import describe_runs
from fedbytes.plots.inference.bytes_ratio import BytesRatio, geometric_mean
from fedbytes.plots.inference.seeds_needed import FEWEST_SEEDS
from fedbytes.plots.inference.target_hits import Hit
from fedbytes.plots.method_looks import INK, LineStyle, assign_line_styles
from fedbytes.plots.number_axis import format_bytes_axis, on_log_axis
from fedbytes.plots.number_words import format_bytes
from fedbytes.plots.shown_text import wrap
from fedbytes.plots.store_figure import FIGURES, FigureOptions, StoreFigure
from fedbytes.plots.style import add_headline, add_note, extra_height, points, wrap_title
from fedbytes.plots.svg_marks import mark
from fedbytes.plots.tables.comparison import Comparison, Metric, Setting, compare_codecs
from fedbytes.plots.tables.constant_answer import read_constant
from fedbytes.plots.tables.store_tables import NothingToDrawError, Tables
from fedbytes.plots.verdicts.target_choice import SettledTarget, read_hits, settle_targets
from fedbytes.plots.verdicts.target_ratios import compare_hits


@dataclass(frozen=True)
class _Reach:
    """How one method reaches one target: its runs, their mean, and the ratio to the baseline."""

    method: str
    hits: Mapping[int, Hit]
    mean: float
    ratio: BytesRatio | None

    @property
    def reached(self) -> str:
        return f"{sum(hit.reached for hit in self.hits.values())}/{len(self.hits)}"

    @property
    def order(self) -> float:
        """What rows are sorted by: the mean, or the most that was needed; last those that miss."""
        spent = max((hit.bytes for hit in self.hits.values()), default=nan)
        if isfinite(self.mean):
            return self.mean
        return spent if all(hit.reached for hit in self.hits.values()) else 1e12 * spent


_LONG_TITLE = 60  # characters


@FIGURES.register("target")
@dataclass(frozen=True)
class BytesToTarget(StoreFigure):
    """The bytes that each method needs to reach each target, and its ratio to the baseline."""

    title = "Bytes to the target"
    caption = (
        "Cumulative bytes at which a run reaches the target for good. A hollow arrow is a bound: "
        "to the right of a run that spent so much and is not there for good, to the left of one "
        "that was there at its first evaluation."
    )
    order = 20
    asks = ("metric", "baseline", "target")

    def settings_on_page(self, comparison: Comparison, options: FigureOptions) -> int:  # noqa: ARG002
        """Return as many as have their rows on one page."""
        return settings_that_fit(comparison.codecs, 0.8)

    def _draw(self, tables: Tables, options: FigureOptions) -> Figure:
        comparison = compare_codecs(tables, options.metric, options.baseline)
        goals = [_targets(tables, comparison, s, options) for s in comparison.settings]
        longest = max(len(setting.title) for setting in comparison.settings)
        if canvas().width < 5 or longest > _LONG_TITLE:  # several lines above small panels
            goals = [found[-1:] for found in goals]
        reached = [
            [_measure(tables, comparison, setting, goal) for goal in found]
            for setting, found in zip(comparison.settings, goals, strict=True)
        ]
        ends = on_log_axis(
            hit.bytes for line in reached for one in line for r in one for hit in r.hits.values()
        )
        if not ends:
            raise NothingToDrawError("no run has sent a byte")
        count = len(goals[0])
        counts = [len(line[-1]) for line in reached]
        wide = canvas().width - 2.2 if count == 1 else (canvas().width - 1.3) / count - 0.1
        across = canvas().width - (2.2 if count == 1 else 1.5)  # of a setting's panels together
        titles = [wrap_title(setting.title, across) for setting in comparison.settings]
        figure, lines = make_row_panels(
            [""] * len(counts), counts, count,
            row=row_height(comparison.codecs), room=0.85 + extra_height(titles),
        )  # fmt: skip
        styles = assign_line_styles(comparison.codecs, comparison.baseline)
        for axes, line, found, title in zip(lines, reached, goals, titles, strict=True):
            order = [item.method for item in sorted(line[-1], key=lambda one: one.order)]
            heads = [_goal(comparison.metric, goal, count > 1) for goal in found]
            for axis, items, head in zip(axes, line, heads, strict=True):
                format_bytes_axis(axis, min(ends), max(ends), most=int(canvas().width))
                if count > 1:
                    ticks = list(axis.get_xticks())
                    axis.xaxis.set_major_locator(FixedLocator([*ticks[:1], *ticks[1:][-1:]]))
                _panel(axis, {item.method: item for item in items}, order, styles, comparison)
                axis.set_title(head, loc="left", fontweight="normal")
                axis.xaxis.set_tick_params(labelbottom=True)
                label_rows(axis, order, above=0.6, below=0.6, width=1.3 if count > 1 else None)
                if axis is not axes[0]:
                    axis.tick_params(labelleft=False)
            _name_setting(axes[0], title, 1 + max(head.count("\n") for head in heads))
        for axis in lines[-1]:
            name = comparison.metric.name.replace("_", "-")
            words = (
                f"Bytes to this {name}"
                if count > 1
                else "Bytes to the target, both ways, all clients"
            )
            axis.set_xlabel(wrap(words, wide, 2, 9.0) if count > 1 else words)
        add_headline(figure, describe_runs(tables, comparison))
        add_note(figure, _describe(comparison, goals, reached))
        return figure


def _name_setting(axis: Axes, title: str, below: int) -> None:
    """Write a setting's title across its panels, above the lines that name their targets.

    The layout is shown lines as high and of no width: it would make room for the title beside the
    first panel, and leave the others none.
    """
    for words, counts in ((re.sub(r"[^\n]+", " ", title), True), (title, False)):
        axis.annotate(
            words,
            (0, 1),
            xycoords="axes fraction",
            xytext=(0, points(10 + 12.5 * below)),
            textcoords="offset points",
            va="bottom",
            fontsize=points(9),
            fontweight="bold",
        ).set_in_layout(counts)


def _targets(
    tables: Tables, comparison: Comparison, setting: Setting, options: FigureOptions
) -> list[SettledTarget]:
    constant = read_constant(tables, setting, comparison.metric.name)
    return settle_targets(
        comparison, setting, None if options.targets else options.target, options.targets, constant
    )


def _measure(
    tables: Tables, comparison: Comparison, setting: Setting, goal: SettledTarget
) -> list[_Reach]:
    hits = read_hits(tables, comparison, setting, goal)
    base = hits.get(comparison.baseline or "", {})
    return [
        _Reach(
            method,
            own,
            geometric_mean(list(own.values())) if own else nan,
            None if method == comparison.baseline else compare_hits(own, base),
        )
        for method, own in hits.items()
    ]


def _goal(metric: Metric, goal: SettledTarget, short: bool) -> str:
    sign, unit = ("≥" if metric.rises else "≤"), (" %" if metric.scale == 100 else "")
    name = metric.name.replace("_", "-")
    words = f"{sign} {metric.show(goal.value)}{unit}"
    if short:
        return words + ("*" if goal.hollow else "")
    words = f"{name} {words}"
    if goal.source != "given":
        words += f" ({goal.source})"
    if goal.hollow:
        words += ": too easy"
    return wrap(words, canvas().width - 1.9, 2, 9.0)


def _panel(
    axis: Axes,
    items: Mapping[str, _Reach],
    order: list[str],
    styles: dict[str, LineStyle],
    comparison: Comparison,
) -> None:
    base = items.get(comparison.baseline or "")
    if base is not None and isfinite(base.mean):
        axis.axvline(base.mean, color=INK, linewidth=points(0.8), zorder=1)
    for place, method in enumerate(order):
        if method in items:
            _row(axis, place, items[method], styles[method], base)
    axis.xaxis.grid(True)
    write_columns(axis, [_words(items.get(m), comparison.baseline) for m in order])


def _row(axis: Axes, place: int, item: _Reach, style: LineStyle, base: _Reach | None) -> None:
    left, right = axis.get_xlim()
    for seed, hit in item.hits.items():
        if not left <= hit.bytes <= right:
            continue
        said, look = _SAID[hit.kind], _ARROWS.get(hit.kind, style.marker)
        (dot,) = axis.plot(
            [hit.bytes], [place + 0.2], look, color=style.color, markersize=points(3),
            markerfacecolor="none", markeredgewidth=points(0.7), clip_on=False,
        )  # fmt: skip
        mark(dot, item.method, f"{item.method}: seed {seed} {said} {format_bytes(hit.bytes)}")
    if not left <= item.mean <= right:
        return
    found = item.ratio
    if found is not None and base is not None and isfinite(found.low) and isfinite(base.mean):
        ends = item.mean * found.ratio / found.high, item.mean * found.ratio / found.low
        clip_ends(axis, *ends, place - 0.12, color=style.color, linewidth=points(1.2))
    (dot,) = axis.plot([item.mean], [place - 0.12], style.marker, color=style.color,
                       markersize=points(5), clip_on=False)  # fmt: skip
    mark(dot, item.method, f"{item.method}: mean {format_bytes(item.mean)}, {item.reached} reached")


def _words(item: _Reach | None, baseline: str | None) -> list[str]:
    if item is None:
        return ["", ""]
    if not item.hits:
        return ["no bytes", ""]
    if item.method == baseline:
        return ["1 ×", item.reached]
    return [_ratio(item.ratio) if item.ratio else format_bytes(item.mean), item.reached]


def _ratio(found: BytesRatio) -> str:
    if found.bound in ("below", "above"):
        return f"{'<' if found.bound == 'below' else '>'} {found.ratio:.3g} ×"
    if found.bound == "unknown":
        return "–"
    return f"{'≈ ' if found.extrapolated else ''}{found.ratio:.3g} ×"


_SAID = {
    "between": "reaches it with",
    "at once": "is there at its first evaluation, with",
    "missed": "is not there for good with",
}
_ARROWS = {"at once": "<", "missed": ">"}
"""Marks of bounds: a run needed no more than this, or needs more."""


def _describe(
    comparison: Comparison, goals: list[list[SettledTarget]], reached: list[list[list[_Reach]]]
) -> str:
    words = (
        "Filled: geometric mean, runs that miss counted as needing more. Hollow: seeds; a small "
        "arrow to the right spent so much and missed."
    )
    if comparison.baseline:
        words += (
            f"\nLine and ratio: {comparison.baseline}, paired by seed; intervals of the ratio, "
            f"from {FEWEST_SEEDS} seeds on. ≈: extrapolated. Last column: runs that reach it."
        )
    rows = [item for line in reached for items in line for item in items if item.hits]
    if any(hit.kind == "at once" for item in rows for hit in item.hits.values()):
        words += "\nA small arrow to the left was there at its first evaluation: at most so much."
    if any(hit.reached and not isfinite(item.mean) for item in rows for hit in item.hits.values()):
        words += "\nWithout a mean: too few runs cross the target at different bytes."
    every = [goal for found in goals for goal in found]
    if any(goal.source != "given" for goal in every):
        words += "\nTargets taken from the runs themselves were known after them alone."
    if any(goal.hollow for goal in every):
        words += "\n* (too easy): within five points of a constant answer, which shows nothing."
    return words
