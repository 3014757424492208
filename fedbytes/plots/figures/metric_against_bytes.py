from dataclasses import dataclass

from matplotlib.figure import Figure

from fedbytes.plots.drawing.metric_curves import LOG_FACTOR, draw_metric_curves
from fedbytes.plots.store_figure import FIGURES, FigureOptions, StoreFigure
from fedbytes.plots.tables.comparison import compare_codecs
from fedbytes.plots.tables.store_tables import Tables
from fedbytes.registry import bounded


@FIGURES.register("bytes")
@dataclass(frozen=True)
class MetricAgainstBytes(StoreFigure):
    """The metric against cumulative message bytes, both directions, all clients.

    Attributes:
        log_factor: a metric whose values differ by more than this factor has a logarithmic axis.
    """

    log_factor: float = bounded(LOG_FACTOR, above=1)

    title = "{metric} against bytes"
    caption = (
        "The model's quality for the bytes sent so far. Further left at equal height is cheaper."
    )
    order = 10

    def _draw(self, tables: Tables, options: FigureOptions) -> Figure:
        comparison = compare_codecs(tables, options.metric, options.baseline)
        return draw_metric_curves(comparison, "bytes", self.log_factor)
