"""What always answering alike reaches, as a line in figures of accuracy."""

from math import isfinite

import pandas as pd
from matplotlib.axes import Axes

from fedbytes.plots.style import points
from fedbytes.plots.svg_marks import mark
from fedbytes.plots.tables.comparison import Comparison, Setting
from fedbytes.plots.tables.store_tables import Tables, read_mapping

_WORDS = "always the same answer"


def read_constant(tables: Tables, setting: Setting, metric: str) -> float | None:
    """Return what a constant answer reaches in a setting; None where the runs do not say it.

    It is the stored `constant_accuracy`, of a run itself or of its provenance.
    """
    runs = tables.runs
    if metric != "accuracy" or "run" not in runs:
        return None
    mine = runs[runs["run"].isin(set(setting.rows["run"]))]
    found = [
        row.get("constant_accuracy", read_mapping(row.get("provenance")).get("constant_accuracy"))
        for row in mine.to_dict("records")
    ]
    known = pd.to_numeric(pd.Series(found, dtype=object), errors="coerce").dropna()
    return float(known.iloc[0]) if len(known) and isfinite(known.iloc[0]) else None


def draw_constant(
    axis: Axes, tables: Tables, comparison: Comparison, setting: Setting, across: bool = False
) -> None:
    """Draw the constant answer as a line, or say it at the edge that it lies beyond.

    Args:
        axis: whose y axis (x, if `across`) shows the metric; its limits are set.
        tables: of the store.
        comparison: what is drawn.
        setting: of the panel.
        across: whether the metric runs along x.
    """
    found = read_constant(tables, setting, comparison.metric.name)
    if found is None:
        return
    value = found * comparison.metric.scale
    low, high = sorted(axis.get_xlim() if across else axis.get_ylim())
    words = f"{_WORDS}: {comparison.metric.show(found)}"
    if low < value < high:
        draw = axis.axvline if across else axis.axhline
        line = draw(value, color="0.45", linestyle=(0, (1, 1.5)), linewidth=points(1.0), zorder=0.5)
        mark(line, None, words)
    else:
        words += (" ←" if across else " ↓") if value <= low else (" →" if across else " ↑")
    place = min(max(value, low), high)
    axis.annotate(
        words,
        (place, 0.02) if across else (0.99, place),
        xycoords=("data", "axes fraction") if across else ("axes fraction", "data"),
        xytext=(0, -9 if value >= high else 3),
        textcoords="offset points",
        ha="right",
        color="0.35",
        fontsize=points(),
    ).set_in_layout(False)
