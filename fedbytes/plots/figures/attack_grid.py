from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import isfinite

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from fedbytes.plots.drawing.codec_rows import label_rows
from fedbytes.plots.number_axis import drawn_values
from fedbytes.plots.number_words import format_value
from fedbytes.plots.shown_text import cut, drawable
from fedbytes.plots.store_figure import FIGURES, FigureOptions, StoreFigure
from fedbytes.plots.style import INK, PAPER, WIDTH, add_note, extra_height, make_panels
from fedbytes.plots.tables.attack_cells import AttackCells, attack_cells, name_or_no
from fedbytes.plots.tables.store_tables import Tables

_NAMES = 1.9  # inches: rules' names on the left
_BAR = 0.8  # inches: the scale of colours on the right
_CELL = 0.3  # inches: the least width of a cell that holds a value
_COLOURS = "cividis"  # told apart with any colour vision, and in grey


@FIGURES.register("attack_grid")
@dataclass(frozen=True)
class AttackGrid(StoreFigure):
    """Final metric of each rule under each attack: a heat map for each codec and setting."""

    title = "Final {metric} of rules under attacks"
    caption = (
        "A row for each rule, a column for each attack, a panel for each codec. Cells are means "
        "over seeds; an empty one has no finished run."
    )
    order = 52

    def _draw(self, tables: Tables, options: FigureOptions) -> Figure:
        cells = attack_cells(tables, options.metric, options.baseline)
        panels = list(product(cells.codecs, cells.places))
        panels = [(c, p) for c, p in panels if cells.values(codec=c, place=p)]
        columns = _columns(cells, len(panels))
        unbroken = [(codec, where.replace(" ", "\N{NO-BREAK SPACE}")) for codec, where in panels]
        titles = [", ".join(filter(None, panel)) for panel in unbroken]
        width = (WIDTH - _NAMES - _BAR) / columns - 0.1
        figure, axes = make_panels(titles, columns=columns, title_width=width, sharey=True)
        for axis in axes:
            axis.title.set_text(axis.get_title().replace("\N{NO-BREAK SPACE}", " "))
        tall = 0.27 * len(cells.defenses) + extra_height([a.get_title() for a in axes]) + 0.35
        names = {a: cut(drawable(name_or_no("attack", a)), 1.25) for a in cells.attacks}
        down = -(-len(panels) // columns)
        figure.set_size_inches(WIDTH, down * tall + 0.085 * max(map(len, names.values())) + 0.75)
        scale = _scale(cells)
        for place, (axis, (codec, where)) in enumerate(zip(axes, panels, strict=True)):
            values = _means(cells, codec, where)
            _heat(axis, values, scale, cells.metric.decimals)
            label_rows(axis, [name_or_no("rule", rule) for rule in cells.defenses])
            lowest = place + columns >= len(panels)
            axis.set_xticks(
                range(len(cells.attacks)), list(names.values()) if lowest else [], rotation=90
            )
        figure.suptitle(cells.setting, fontsize=9, color=INK)
        bar = ScalarMappable(scale, _COLOURS)
        figure.colorbar(bar, ax=axes, label=cells.axis_label, fraction=0.04)
        add_note(figure, _describe(cells))
        return figure


def _columns(cells: AttackCells, panels: int) -> int:
    """Return how many panels stand in a row: as many places as leave room for the values."""
    room = int((WIDTH - _NAMES - _BAR + 0.1) / (_CELL * len(cells.attacks)))
    wanted = len(cells.places) if len(cells.places) > 1 else 2
    return max(1, min(room, wanted, panels, 3))


def _means(cells: AttackCells, codec: str, place: str) -> np.ndarray:
    """Return the means, as they are shown, of rules by attacks; NaN where there is no run."""
    found = [
        [
            cells.cell(defense=rule, attack=attack, codec=codec, place=place).mean
            for attack in cells.attacks
        ]
        for rule in cells.defenses
    ]
    return drawn_values(found, cells.metric.scale)


def _scale(cells: AttackCells) -> Normalize:
    """Return a colour scale for all panels, over the means that are shown."""
    groups = cells.rows.groupby(["codec", "place", "defense", "attack"])["value"].mean()
    shown = drawn_values(groups, cells.metric.scale)
    shown = shown[np.isfinite(shown)]
    return Normalize(shown.min(), shown.max()) if len(shown) else Normalize(0, 1)


def _heat(axis: Axes, values: np.ndarray, scale: Normalize, decimals: int) -> None:
    axis.grid(False)
    axis.imshow(np.ma.masked_invalid(values), cmap=_COLOURS, norm=scale, aspect="auto")
    axis.set_facecolor(PAPER)
    whole = _whole(values)
    for row, column in np.ndindex(values.shape):
        value = float(values[row, column])
        if isfinite(value):
            light = float(scale(value)) > 0.55
            text = f"{value:.0f}" if whole else format_value(value, decimals)
            axis.text(
                column, row, text, ha="center", va="center", fontsize=8,
                color=INK if light else PAPER,
            )  # fmt: skip
        else:
            axis.text(column, row, "–", ha="center", va="center", fontsize=8, color=INK)


def _whole(values: Sequence[float] | np.ndarray) -> bool:
    """Return whether values are far enough apart to be shown as whole numbers."""
    found = np.asarray(values)[np.isfinite(values)]
    return bool(len(found)) and 10 <= float(np.abs(found).max()) < 1000


def _describe(cells: AttackCells) -> str:
    words = "Means over seeds; –: no value."
    return words + (" So few decide nothing about a single cell." if cells.least_seeds < 5 else "")
