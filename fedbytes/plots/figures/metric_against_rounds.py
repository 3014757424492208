from dataclasses import dataclass

from matplotlib.figure import Figure

from fedbytes.plots.drawing.metric_curves import LOG_FACTOR, ON_A_PAGE, draw_metric_curves
from fedbytes.plots.store_figure import FIGURES, FigureOptions, StoreFigure
from fedbytes.plots.tables.comparison import Comparison
from fedbytes.plots.tables.store_tables import Tables
from fedbytes.registry import bounded


@FIGURES.register("rounds")
@dataclass(frozen=True)
class MetricAgainstRounds(StoreFigure):
    """The metric against rounds: the price of compression when bytes are free.

    Attributes:
        log_factor: a metric whose values differ by more than this factor has a logarithmic axis.
    """

    log_factor: float = bounded(LOG_FACTOR, above=1)

    title = "{metric} against rounds"
    caption = "The same runs without bytes: how much progress per round a codec costs."
    order = 60
    appendix = True

    def settings_on_page(self, comparison: Comparison, options: FigureOptions) -> int:  # noqa: ARG002
        """Return as many as have a legible panel."""
        return ON_A_PAGE

    def _draw(self, tables: Tables, options: FigureOptions) -> Figure:
        return draw_metric_curves(tables, options, "round", self.log_factor)
