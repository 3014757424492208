import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from fedbytes.plots.drawing.points.seed_spread import describe_spread, draw_spread
from fedbytes.plots.number_axis import drawn_values
from fedbytes.plots.store_figure import FIGURES, FigureOptions, StoreFigure
from fedbytes.plots.style import (
    INK,
    LineStyle,
    add_legend,
    add_note,
    assign_line_styles,
    label_bottom,
    make_panels,
    name_values,
)
from fedbytes.plots.tables.attack_cells import (
    NOBODY,
    AttackCells,
    assumed_attackers,
    attack_cells,
    describe_cells,
    name_or_no,
    rule_family,
    seeds_of_cells,
    true_attackers,
)
from fedbytes.plots.tables.comparison import Metric
from fedbytes.plots.tables.statistics import t_interval
from fedbytes.plots.tables.store_tables import NothingToDrawError, Tables

_PANEL = ["family", "codec", "place"]


@FIGURES.register("assumed_attackers")
@dataclass(frozen=True)
class AssumedAttackers(StoreFigure):
    """Final metric against the number of attackers that a rule is set for; a line an attack."""

    title = "Final {metric} against the assumed number of attackers"
    caption = (
        "How many attackers a rule is set for, against how many there are (the vertical line). Too "
        "few lets them in, too many throws honest clients away."
    )
    order = 56

    def _draw(self, tables: Tables, options: FigureOptions) -> Figure:
        cells = attack_cells(tables, options.metric, options.baseline)
        rows = _with_numbers(cells, tables.runs)
        panels = list(rows[_PANEL].drop_duplicates().itertuples(index=False, name=None))
        columns = 2 if len(panels) % 3 else 3
        figure, axes = make_panels(
            [", ".join(filter(None, panel)) for panel in panels],
            columns=columns,
            sharey=True,
        )
        drawn = [attack for attack in cells.attacks if attack in set(rows["attack"])]
        styles = assign_line_styles(drawn, NOBODY)
        for axis, panel in zip(axes, panels, strict=True):
            part = rows[(rows[_PANEL] == list(panel)).all(axis=1)]
            _panel(axis, part, styles, cells.metric)
        label_bottom(axes, "Attackers that the rule is set for", columns)
        name_values(figure, cells.axis_label)
        add_legend(
            figure,
            [styles[name].handle(name_or_no("attack", name)) for name in drawn],
        )
        add_note(
            figure,
            f"{describe_cells(rows, tables.runs)}, {seeds_of_cells(rows)}. "
            f"Means; {describe_spread(_seeds(rows))}. Vertical: how many attack.",
        )
        return figure


def _with_numbers(cells: AttackCells, runs: pd.DataFrame) -> pd.DataFrame:
    """Return the runs of rules that were tried with several numbers, with the columns of panels."""
    if "config" not in runs:
        raise NothingToDrawError("the store has no configurations")
    configs = runs.drop_duplicates("run").set_index("run")["config"]
    known = cells.rows["run"].map(configs)
    rows = cells.rows.assign(
        family=cells.rows["defense"].map(rule_family),
        assumed=known.map(assumed_attackers).astype(float),
        attacking=known.map(true_attackers).astype(float),
    ).dropna(subset=["assumed"])
    several = rows.groupby(_PANEL)["assumed"].transform("nunique") > 1
    if not several.any():
        raise NothingToDrawError("no rule was set for several numbers of attackers, its field f")
    return rows[several]


def _panel(axis: Axes, rows: pd.DataFrame, styles: dict[str, LineStyle], metric: Metric) -> None:
    numbers = sorted(rows["assumed"].unique())
    lines = [(name, style) for name, style in styles.items() if name in set(rows["attack"])]
    for place, (name, style) in enumerate(lines):
        part = rows[rows["attack"] == name]
        found = {n: list(part[part["assumed"] == n]["value"]) for n in numbers}
        found = {n: values for n, values in found.items() if t_interval(values).n}
        aside = 0.04 * (place - (len(lines) - 1) / 2) * _step(numbers)  # intervals side by side
        axis.plot(
            [n + aside for n in found],
            drawn_values([t_interval(values).mean for values in found.values()], metric.scale),
            color=style.color,
            marker=style.marker,
            linestyle=style.linestyle,
        )
        for n, values in found.items():
            draw_spread(axis, n + aside, values, metric, style.color)
    axis.xaxis.set_major_locator(FixedLocator(numbers))
    for number in {int(n) for n in rows["attacking"].dropna() if n > 0}:
        axis.axvline(number, color=INK, linewidth=0.9, linestyle=(0, (1, 2)), zorder=1)


def _seeds(rows: pd.DataFrame) -> list[int]:
    return list(rows.groupby([*_PANEL, "attack", "assumed"])["seed"].nunique())


def _step(numbers: Sequence[float]) -> float:
    """Return the least distance of two of the numbers, which are sorted."""
    return min(after - before for before, after in itertools.pairwise(numbers))
