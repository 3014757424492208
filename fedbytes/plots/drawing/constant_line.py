"""What always answering alike reaches, as a line in figures of accuracy."""

from matplotlib.axes import Axes

from fedbytes.plots.style import points
from fedbytes.plots.svg_marks import mark
from fedbytes.plots.tables.comparison import Comparison, Setting
from fedbytes.plots.tables.constant_answer import read_constant
from fedbytes.plots.tables.store_tables import Tables

_WORDS = "always the same answer"


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
