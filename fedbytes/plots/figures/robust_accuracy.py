from dataclasses import dataclass, replace
from typing import ClassVar

from matplotlib.figure import Figure

from fedbytes.plots.drawing.metric_curves import draw_many_metrics
from fedbytes.plots.store_figure import FIGURES, FigureOptions, StoreFigure
from fedbytes.plots.tables.comparison import attacked_metrics, compare_codecs
from fedbytes.plots.tables.store_tables import NothingToDrawError, Tables


@FIGURES.register("robust_accuracy")
@dataclass(frozen=True)
class RobustAccuracy(StoreFigure):
    """Accuracy on texts as they are, and under each attack on them, against bytes."""

    title = "Robust accuracy against bytes"
    caption = (
        "How many test texts keep their class when an attack changes them, for the bytes sent so "
        "far, beside all test texts as they are."
    )
    order = 12
    shows_metric: ClassVar[bool] = False

    def _draw(self, tables: Tables, options: FigureOptions) -> Figure:
        attacked = attacked_metrics(tables)
        if not attacked:
            raise NothingToDrawError(
                "no run attacked its test texts: set audit.name=text_attacks and audit.attacks"
            )
        under = tables.finished()[[metric.name for metric in attacked]].notna().any(axis=1)
        shown = replace(tables, results=tables.finished()[under])
        names = ["accuracy", *(metric.name for metric in attacked)]
        comparisons = [compare_codecs(shown, name, options.baseline) for name in names]
        return draw_many_metrics(comparisons, "bytes", "Test texts whose class is found (%)")
