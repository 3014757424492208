"""Panels with one row per codec: its name on the left, words next to what is drawn."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from fedbytes.plots.shown_text import wrap

_WIDTH = 1.75  # inches of a row's name, which has two lines


def label_rows(axis: Axes, names: Sequence[str], above: float = 0.5, below: float = 0.5) -> None:
    """Name the rows 0, 1, … from top to bottom, with margins above the first and below the last."""
    shown = [wrap(name, _WIDTH, 2) for name in names]
    axis.set_yticks(range(len(names)), shown, linespacing=0.95)
    axis.set_ylim(len(names) - 1 + below, -above)


def write_beside(axis: Axes, text: str, at: tuple[float, float], points: float, **how: Any) -> None:
    """Write small text `points` to the right of a position; `how` is passed on to `annotate`."""
    axis.annotate(
        text, at, xytext=(points, 0), textcoords="offset points", va="center", fontsize=8, **how
    )
