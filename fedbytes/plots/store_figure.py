"""The base class of a store's figures, and the registry that finds one by name."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import pandas as pd
from matplotlib.figure import Figure

from fedbytes.experiments.config.target import Target
from fedbytes.plots.canvas import CanvasName, draw_on
from fedbytes.plots.style import noted, styled
from fedbytes.plots.tables.comparison import Comparison, compare_codecs
from fedbytes.plots.tables.shown_labels import shorten_labels
from fedbytes.plots.tables.store_tables import Tables
from fedbytes.plots.verdicts.question import ask
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
        margin: the loss that would matter, in the metric's unit; by default the usual one.
        final: which evaluations a final value is the mean of, such as `last3`, the default.
        targets: several targets, where a figure has room for them.
        notes: what was chosen after the runs, by what it is of, such as `target`.
        highlight: labels of the methods to draw in colour; by default the figure chooses.
        width: `column` or `page` of a paper, or `slide`.
    """

    metric: str | None = None
    target: Target = None
    baseline: str | None = None
    margin: float | None = None
    final: str | None = None
    targets: tuple[Target, ...] = ()
    highlight: tuple[str, ...] = ()
    width: CanvasName = "page"
    notes: Mapping[str, str] = field(default_factory=dict)


def as_declared(tables: Tables, options: FigureOptions | None = None) -> FigureOptions:
    """Return options with what is not given taken from the protocol of the runs (see `ask`).

    What is given and is not as declared is named in `notes`.
    """
    given = options or FigureOptions()
    asked = ask(tables, given.metric, given.margin, given.baseline, given.target, given.final)
    return replace(
        given,
        margin=asked.margin,
        baseline=asked.baseline,
        target=asked.target,
        targets=given.targets or (asked.targets if given.target is None else ()),
        final=asked.final,
        notes=asked.departures,
    )


class StoreFigure(Plugin, ABC):
    """Draws one figure from a store's tables; a frozen dataclass, registered by name.

    A subclass writes `_draw`; the style sheet is applied here.

    Attributes:
        name: the registered name, which is also the name of the files.
        title: heading in the report; `{metric}` stands for the metric's name.
        caption: what to see in the figure, in one or two sentences.
        order: position in the report, ascending; figures of fedbytes have 5 to 80.
        appendix: whether the figure stands in the report's appendix.
        shows_metric: whether the figure shows the metric. The report then adds the final values
            to the figure's alternative text.
        asks: what of the protocol the figure shows: where that was chosen after the runs, its
            note says so.
        examples: fields of configurations that the contract tests run, one dict each.
    """

    title: ClassVar[str]
    caption: ClassVar[str]
    order: ClassVar[int] = 100
    appendix: ClassVar[bool] = False
    shows_metric: ClassVar[bool] = True
    asks: ClassVar[tuple[str, ...]] = ("metric", "baseline", "final")

    def draw(self, tables: Tables, options: FigureOptions | None = None) -> Figure:
        """Draw the figure; long labels are cut in their middle.

        Raises:
            NothingToDrawError: if the tables lack what the figure shows.
        """
        asked = as_declared(tables, options)
        notes = [asked.notes[name] for name in self.asks if name in asked.notes]
        with draw_on(asked.width), noted(notes):
            return self._draw_styled(replace(tables, final=asked.final), asked)

    @styled
    def _draw_styled(self, tables: Tables, asked: FigureOptions) -> Figure:
        shown, names = shorten_labels(tables)
        if asked.baseline is not None:
            asked = replace(asked, baseline=names.get(asked.baseline, asked.baseline))
        highlight = tuple(names.get(label, label) for label in asked.highlight)
        return self._draw(shown, replace(asked, highlight=highlight))

    def pages(self, tables: Tables, options: FigureOptions) -> list[Tables]:
        """Return the tables of each figure: all, or of as many settings as a page holds.

        Raises:
            NothingToDrawError: if no round was evaluated.
        """
        if type(self).settings_on_page is StoreFigure.settings_on_page:
            return [tables]
        comparison = compare_codecs(tables, options.metric, options.baseline)
        settings, most = comparison.settings, self.settings_on_page(comparison, options)
        if most is None or len(settings) <= most:
            return [tables]
        count = -(-len(settings) // most)
        each = -(-len(settings) // count)
        pages = [settings[start : start + each] for start in range(0, len(settings), each)]
        runs = [set().union(*(set(s.rows["run"]) for s in page)) for page in pages]
        known = set().union(*runs)
        return [
            replace(
                tables,
                results=tables.results[tables.results["run"].isin(chosen)],
                runs=tables.runs[~tables.runs["run"].isin(known - chosen)],
            )
            for chosen in runs
        ]

    def settings_on_page(self, comparison: Comparison, options: FigureOptions) -> int | None:  # noqa: ARG002
        """Return how many settings one figure shows; None for any number."""
        return None

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
