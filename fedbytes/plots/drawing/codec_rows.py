"""Panels with one row per codec: its name on the left, words in columns on the right."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fedbytes.plots.canvas import canvas
from fedbytes.plots.method_looks import GRID
from fedbytes.plots.shown_text import inches, wrap
from fedbytes.plots.style import points, set_size, wrap_title
from fedbytes.plots.svg_marks import mark

_WIDTH = 1.75  # inches of a row's name, which has two lines
_GAP = 0.07  # inches between columns of words
_ROW, _ROW_OF_TWO_LINES = 0.21, 0.31  # inches
_MANY = 24  # rows, from which on each has one line
_PAGE = 8.0  # inches for panels


def label_rows(
    axis: Axes,
    names: Sequence[str],
    above: float = 0.5,
    below: float = 0.5,
    width: float | None = None,
) -> None:
    """Name the rows 0, 1, … from top to bottom, with margins above the first and below the last."""
    shown = _shown_names(names, width)
    axis.set_yticks(range(len(names)), shown, linespacing=0.95)
    for text, name in zip(axis.get_yticklabels(), names, strict=False):  # shared rows have none
        mark(text, name)
    axis.set_ylim(len(names) - 1 + below, -above)


def _shown_names(names: Sequence[str], width: float | None = None) -> list[str]:
    lines = 1 if len(names) > _MANY else 2
    return [wrap(name, min(width or _WIDTH, 0.3 * canvas().width), lines) for name in names]


def row_height(names: Sequence[str], lines: int = 1) -> float:
    """Return the inches of a row: for the names' lines, or as many as its words have."""
    most = max([lines, *(1 + name.count("\n") for name in _shown_names(names))])
    return _ROW + (most - 1) * (_ROW_OF_TWO_LINES - _ROW)


def settings_that_fit(names: Sequence[str], room: float) -> int:
    """Return how many settings a page holds that have these rows, and `room` inches besides."""
    return max(1, int(_PAGE / (len(names) * row_height(names) + room)))


def write_beside(axis: Axes, text: str, at: tuple[float, float], away: float, **how: Any) -> None:
    """Write small text `away` points to the right of a position; `how` goes to `annotate`."""
    shift = (points(away), 0.0)
    axis.annotate(
        text, at, xytext=shift, textcoords="offset points", va="center", fontsize=points(), **how
    )


def make_row_panels(
    titles: Sequence[str], counts: Sequence[int], columns: int, row: float, room: float
) -> tuple[Figure, list[list[Axes]]]:
    """Return a figure with a line of panels per setting, as high as its rows.

    Args:
        titles: of each setting, above the first panel of its line.
        counts: rows of each setting.
        columns: panels beside each other, which share their rows.
        row: inches of a row.
        room: inches for what stands above each line of panels, its title excepted.
    """
    titles = [wrap_title(title, canvas().width - 0.4) for title in titles]
    above = room + 0.17 * max(1 + title.count("\n") for title in titles)
    heights = [count * row + above for count in counts]
    figure = Figure(layout="constrained")
    set_size(figure, sum(heights) + 0.5)
    grid = figure.subplots(
        len(titles),
        columns,
        squeeze=False,
        sharex="col",
        sharey="row",
        gridspec_kw={"height_ratios": [count * row + 0.1 for count in counts]},
    )
    for line, title in zip(grid, titles, strict=True):
        line[0].set_title(title, loc="left")
        for axis in line:
            axis.grid(True, axis="y", color=GRID, linewidth=points(0.4))
    return figure, [list(line) for line in grid]


def write_columns(
    axis: Axes, rows: Sequence[Sequence[str]], heads: Sequence[str] = (), left: float = 0.06
) -> None:
    """Write words right of a panel, a row each, in columns that are as wide as their words.

    Args:
        axis: with rows 0, 1, … from top to bottom.
        rows: the words of each row; lines of one are broken already.
        heads: of the columns.
        left: inches between the panel and the first column.
    """
    cells = [list(heads), *map(list, rows)] if heads else list(map(list, rows))
    start = left
    for column in range(max(len(row) for row in cells)):
        for place, row in enumerate(cells):
            if row[column]:
                head = bool(heads) and place == 0
                axis.annotate(
                    row[column],
                    (1, 1 if head else place - bool(heads)),
                    xycoords=("axes fraction", "axes fraction" if head else "data"),
                    xytext=(points(start * 72), points(3) if head else 0),
                    textcoords="offset points",
                    va="bottom" if head else "center",
                    fontsize=points(),
                    linespacing=0.95,
                    fontweight="bold" if head else "normal",
                    annotation_clip=False,
                )
        lines = [line for row in cells for line in row[column].split("\n")]
        start += max(inches(line) for line in lines) * 1.06 + _GAP


def clip_ends(axis: Axes, low: float, high: float, row: float, **look: Any) -> None:
    """Draw an interval in a row, with an arrow where it goes beyond the axis."""
    left, right = axis.get_xlim()
    if not (np.isfinite(low) and np.isfinite(high)) or low > right or high < left:
        return
    shown = max(low, left), min(high, right)
    axis.plot(shown, [row, row], solid_capstyle="butt", **look)
    for end, seen, arrow in ((low, shown[0], "<"), (high, shown[1], ">")):
        beyond = end != seen
        axis.plot(
            [seen], [row], arrow if beyond else "|", color=look.get("color"),
            markersize=points(4 if beyond else 5), clip_on=False,
        )  # fmt: skip
