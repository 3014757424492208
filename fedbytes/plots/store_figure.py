"""The base class of a store's figures, and the registry that finds one by name."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pandas as pd
from matplotlib.figure import Figure

from fedbytes.experiments.config.target import Target
from fedbytes.plots.style import styled
from fedbytes.plots.tables.shown_labels import shorten_labels
from fedbytes.plots.tables.store_tables import Tables
from fedbytes.plugin_fields import Plugin
from fedbytes.registry import Registry


@dataclass(frozen=True)
class FigureOptions:
    """Options that the figures of one report share.

    Attributes:
        metric: a column of the results; by default the headline metric of the task.
        target: the metric value that bytes are measured up to, in the metric's own unit (0 to 1
            for accuracy); by default 98 % of the baseline's final mean in each setting.
        baseline: the label of the codec that others are compared with; by default the one that
            sends fp32 both ways.
    """

    metric: str | None = None
    target: Target = None
    baseline: str | None = None


class StoreFigure(Plugin, ABC):
    """Draws one figure from a store's tables; a frozen dataclass, registered by name.

    A subclass writes `_draw`; the style sheet is applied here.

    Attributes:
        name: the registered name, which is also the name of the files.
        title: heading in the report; `{metric}` stands for the metric's name.
        caption: what to see in the figure, in one or two sentences.
        order: position in the report, ascending; figures of fedbytes have 10, 20, …, 80.
        shows_metric: whether the figure shows the metric. The report then adds the final values
            to the figure's alternative text.
        examples: fields of configurations that the contract tests run, one dict each.
    """

    title: ClassVar[str]
    caption: ClassVar[str]
    order: ClassVar[int] = 100
    shows_metric: ClassVar[bool] = True

    @styled
    def draw(self, tables: Tables, options: FigureOptions | None = None) -> Figure:
        """Draw the figure; long labels are cut in their middle.

        Raises:
            NothingToDrawError: if the tables lack what the figure shows.
        """
        shown, names = shorten_labels(tables)
        asked = options or FigureOptions()
        if asked.baseline is not None:
            asked = replace(asked, baseline=names.get(asked.baseline, asked.baseline))
        return self._draw(shown, asked)

    def rows(self, tables: Tables, options: FigureOptions) -> pd.DataFrame | None:  # noqa: ARG002
        """Return numbers to write next to the figure as CSV, or None.

        Raises:
            NothingToDrawError: as for `draw`.
        """
        return None

    def title_for(self, metric: str) -> str:
        """Return the title for a metric, with a capital letter."""
        title = self.title.format(metric=metric.replace("_", "-"))
        return title[:1].upper() + title[1:]

    @abstractmethod
    def _draw(self, tables: Tables, options: FigureOptions) -> Figure:
        """Return the figure; read the tables only, and make the figure without pyplot."""


FIGURES: Registry[StoreFigure] = Registry(
    "figure",
    StoreFigure,  # type: ignore[type-abstract]
    "fedbytes.plots.figures",
    "fedbytes.plots.testing.figure_contract:check_figure",
)


def make_figure(spec: str | Mapping[str, Any] | StoreFigure, **fields: Any) -> StoreFigure:
    """Build a figure from a name and fields, or from `{"name": …, **fields}`.

    Raises:
        ValueError: for an unknown name or field, or a value that the figure refuses.
    """
    return FIGURES.make(spec, **fields)


def figure_names() -> list[str]:
    """Return the names of all registered figures, in the order of a report."""
    return sorted(FIGURES.names(), key=lambda name: (FIGURES.get(name).order, name))
