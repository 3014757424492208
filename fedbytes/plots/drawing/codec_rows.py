"""Panels with one row per codec: its name on the left, words next to what is drawn."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import LogLocator, NullFormatter


def label_rows(axis: Axes, names: Sequence[str], above: float = 0.5, below: float = 0.5) -> None:
    """Name the rows 0, 1, … from top to bottom, with margins above the first and below the last."""
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(len(names) - 1 + below, -above)


def write_beside(axis: Axes, text: str, at: tuple[float, float], points: float, **how: Any) -> None:
    """Write small text `points` to the right of a position; `how` is passed on to `annotate`."""
    axis.annotate(
        text, at, xytext=(points, 0), textcoords="offset points", va="center", fontsize=8, **how
    )


def format_log_ticks(axis: Axis) -> None:
    """Put ticks on a logarithmic axis at 1, 2 and 5 of each decade, or at 1 over a wide range."""
    low, high = axis.get_view_interval()
    subs = (1.0, 2.0, 5.0) if high / low < 300 else (1.0,)
    axis.set_major_locator(LogLocator(subs=subs, numticks=12))
    axis.set_minor_formatter(NullFormatter())
