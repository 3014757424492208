from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fedbytes.plots.drawing.points.seed_spread import describe_spread, draw_spread
from fedbytes.plots.method_looks import spread_hues
from fedbytes.plots.number_axis import drawn_values, format_bytes_axis, on_log_axis
from fedbytes.plots.store_figure import FIGURES, FigureOptions, StoreFigure
from fedbytes.plots.style import (
    INK,
    MARKERS,
    PAPER,
    LineStyle,
    add_legend,
    add_note,
    assign_line_styles,
    label_bottom,
    make_panels,
    name_values,
)
from fedbytes.plots.tables.attack_cells import NOBODY, AttackCells, attack_cells, name_or_no
from fedbytes.plots.tables.statistics import t_interval
from fedbytes.plots.tables.store_tables import NothingToDrawError, Tables


@FIGURES.register("worst_attack")
@dataclass(frozen=True)
class WorstAttack(StoreFigure):
    """Metric under the attack that harms most, against total bytes: a line a rule."""

    title = "Final {metric} under the worst attack against total bytes"
    caption = (
        "A line for each rule, a marker for each codec: the mean over seeds under the attack that "
        "leaves the worst mean. It is the worst of the attacks that were run."
    )
    order = 54

    def _draw(self, tables: Tables, options: FigureOptions) -> Figure:
        cells = attack_cells(tables, options.metric, options.baseline)
        points = _points(cells)
        spent = on_log_axis(point.cost for point in points)
        if not spent:
            raise NothingToDrawError("no run has sent a byte")
        figure, axes = make_panels(list(cells.places), height=3.0, columns=2, sharey=True)
        styles = spread_hues(assign_line_styles(cells.defenses, NOBODY))
        marks = dict(zip(cells.codecs, ["o", *MARKERS] * len(cells.codecs), strict=False))
        for axis, place in zip(axes, cells.places, strict=True):
            for rule in cells.defenses:
                line = [p for p in points if (p.place, p.rule) == (place, rule)]
                _line(axis, cells, line, styles[rule], marks)
            _reference(axis, cells, place)
            format_bytes_axis(axis, min(spent), max(spent))
        label_bottom(axes, "Total bytes, both ways, all clients")
        name_values(figure, cells.axis_label)
        add_legend(figure, _legend(cells, styles, marks))
        add_note(figure, _describe(cells, points))
        return figure


@dataclass(frozen=True)
class _Point:
    """The worst of a rule's attacks behind a codec.

    Attributes:
        worst: the values under it, a seed each.
        whole: whether every attack of its panel was run.
    """

    place: str
    rule: str
    codec: str
    cost: float
    worst: list[float]
    whole: bool

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return t_interval(self.worst).mean


def _points(cells: AttackCells) -> list[_Point]:
    """Return the points of all lines, by ascending bytes."""
    found = []
    attacked = cells.rows[cells.rows["attack"] != NOBODY]
    for key, rows in attacked.groupby(["place", "defense", "codec"]):
        place, rule, codec = map(str, key)
        panel = set(attacked[attacked["place"] == place]["attack"])
        values = {
            attack: cells.values(place=place, defense=rule, codec=codec, attack=attack)
            for attack in rows["attack"].unique()
        }
        known = [one for one in values.values() if t_interval(one).n]
        if known:
            choose = min if cells.metric.rises else max
            worst = choose(known, key=lambda one: t_interval(one).mean)
            cost = float(rows["total_bytes"].mean())
            found.append(_Point(place, rule, codec, cost, worst, panel <= set(values)))
    return sorted(found, key=lambda point: point.cost)


def _line(
    axis: Axes,
    cells: AttackCells,
    points: list[_Point],
    style: LineStyle,
    marks: dict[str, str],
) -> None:
    points = [p for p in points if on_log_axis([p.cost])]
    costs = [p.cost for p in points]
    values = drawn_values([p.mean for p in points], cells.metric.scale)
    axis.plot(costs, values, color=style.color, linestyle=style.linestyle, linewidth=1.3)
    for point, value in zip(points, values, strict=True):
        axis.plot(
            point.cost,
            value,
            linestyle="none",
            marker=_marker(cells, point.codec, style, marks),
            color=style.color,
            markersize=6,
            markerfacecolor=style.color if point.whole else PAPER,
        )
        draw_spread(axis, point.cost, point.worst, cells.metric, style.color)


def _marker(cells: AttackCells, codec: str, style: LineStyle, marks: dict[str, str]) -> str:
    """Return a codec's marker; its rule's where there is but one codec to tell apart."""
    return marks[codec] if len(cells.codecs) > 1 else style.marker


def _reference(axis: Axes, cells: AttackCells, place: str) -> None:
    """Draw what the first rule, none if there are runs of that, reaches without an attack."""
    first = {"defense": cells.defenses[0], "codec": cells.codecs[0]}
    clean = cells.cell(place=place, attack=NOBODY, **first)
    if clean.n:
        value = float(drawn_values([clean.mean], cells.metric.scale)[0])
        axis.axhline(value, color=INK, linewidth=0.9, linestyle=(0, (1, 2)), zorder=1)


def _legend(
    cells: AttackCells, styles: dict[str, LineStyle], marks: dict[str, str]
) -> list[Line2D]:
    alone = len(cells.codecs) == 1
    rules = [
        Line2D(
            [], [], color=styles[rule].color, linestyle=styles[rule].linestyle,
            marker=styles[rule].marker if alone else "", label=name_or_no("rule", rule),
        )
        for rule in cells.defenses
    ]  # fmt: skip
    codecs = [
        Line2D([], [], color=INK, linestyle="none", marker=marks[codec], label=codec)
        for codec in cells.codecs
    ]
    return [*rules, *codecs] if len(codecs) > 1 else rules


def _describe(cells: AttackCells, points: list[_Point]) -> str:
    attacks = len(set(cells.attacks) - {NOBODY})
    spread = describe_spread([len(point.worst) for point in points])
    words = (
        f"{cells.setting}. Mean under the worst of up to {attacks} attack{'s' * (attacks != 1)}, "
        f"which is chosen from these runs; {spread}."
    )
    if not all(point.whole for point in points):
        words += " Hollow: some of its panel's attacks have no value."
    if NOBODY not in cells.attacks:
        return words
    first = [name_or_no("rule", cells.defenses[0]), cells.codecs[0]]
    return f"{words}\nDotted: {', '.join(filter(None, first))}, without an attack."
