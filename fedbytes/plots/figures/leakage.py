from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from fedbytes.plots.drawing.headline import describe_runs
from fedbytes.plots.drawing.points.leakage_points import (
    LeakagePoint,
    compare_leaks,
    families_of,
    leakage_points,
    leaking_audits,
    seeds_of,
)
from fedbytes.plots.method_looks import INK, LineStyle, assign_line_styles
from fedbytes.plots.number_axis import drawn_values
from fedbytes.plots.store_figure import FIGURES, FigureOptions, StoreFigure
from fedbytes.plots.style import (
    add_headline,
    add_legend,
    add_note,
    label_bottom,
    make_panels,
    name_values,
    points,
)
from fedbytes.plots.svg_marks import mark
from fedbytes.plots.tables.store_tables import NothingToDrawError, Tables

_CHANCE = LineStyle(INK, "", (0, (4, 2)))


@FIGURES.register("leakage")
@dataclass(frozen=True)
class Leakage(StoreFigure):
    """Share of a client's tokens that an audit finds, against the bits of its message."""

    title = "What messages give away against their bits"
    caption = (
        "How many of the tokens that a client trained on are found from its message alone, a line "
        "for each family of codecs. Dashed is chance: the same guesses beside other clients' texts."
    )
    order = 60
    shows_metric: ClassVar[bool] = False

    def _draw(self, tables: Tables, options: FigureOptions) -> Figure:
        panels = []
        for audit in leaking_audits(tables):
            comparison = compare_leaks(tables, audit, options.baseline)
            panels += [
                (audit, setting, leakage_points(tables, comparison, setting))
                for setting in comparison.settings
            ]
        every = [point for _, _, line in panels for point in line if point.bits > 0]
        if not every:
            raise NothingToDrawError("no audited message had a payload")
        several = len(panels) > len({audit for audit, _, _ in panels})
        titles = [f"{a}\n{s.title}" if several else str(a) for a, s, _ in panels]
        figure, axes = make_panels(titles, height=3.0, columns=2, sharey=True)
        families = families_of(every)
        styles = assign_line_styles(families, None)
        for axis, (_, _, line) in zip(axes, panels, strict=True):
            _panel(axis, [point for point in line if point.bits > 0], styles)
            _format_bits(axis, [point.bits for point in every])
        label_bottom(axes, "Payload bits of a coordinate", 2)
        name_values(figure, "Tokens found (%)")
        chance = Line2D([], [], color=INK, linestyle=_CHANCE.linestyle, label="chance")
        add_legend(figure, [*(styles[name].handle(name) for name in families), chance])
        add_headline(figure, describe_runs(tables, comparison))
        small = " Small: seeds." if any(len(point.leaks) > 1 for point in every) else ""
        add_note(figure, f"Lines: mean over {seeds_of(every)}.{small}")
        return figure


def _panel(axis: Axes, line: Sequence[LeakagePoint], styles: dict[str, LineStyle]) -> None:
    for family, style in styles.items():
        own = [point for point in line if point.family == family]
        if not own:
            continue
        bits = [point.bits for point in own]
        (drawn,) = axis.plot(
            bits, drawn_values([point.mean for point in own], 100), color=style.color,
            marker=style.marker, linestyle=style.linestyle, label=family,
        )  # fmt: skip
        mark(drawn, family, [f"{p.method}: {100 * p.mean:.0f} % at {p.bits:.3g} bit" for p in own])
        for point in own if max(len(point.leaks) for point in own) > 1 else ():
            axis.plot(
                [point.bits] * len(point.leaks), drawn_values(point.leaks, 100), style.marker,
                color=style.color, markersize=points(2.6), markerfacecolor="none", alpha=0.7,
                markeredgewidth=points(0.6),
            )  # fmt: skip
    axis.plot(
        [point.bits for point in line], drawn_values([point.chance for point in line], 100),
        color=INK, linestyle=_CHANCE.linestyle, linewidth=points(0.9), zorder=1.5,
    )  # fmt: skip
    axis.set_ylim(-3, 103)


def _format_bits(axis: Axes, bits: Sequence[float]) -> None:
    axis.set_xscale("log")
    axis.set_xlim(min(bits) / 1.5, max(bits) * 1.5)
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.xaxis.set_minor_formatter(FuncFormatter(lambda *_: ""))
