"""Every figure and table of a store, drawn and written."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from matplotlib.figure import Figure

from fedbytes.experiments.config.target import Target
from fedbytes.labels import single_line
from fedbytes.plots.output.latex import to_latex
from fedbytes.plots.output.summary import summary, to_csv, to_markdown
from fedbytes.plots.store_figure import (
    FigureOptions,
    StoreFigure,
    as_declared,
    figure_names,
    make_figure,
)
from fedbytes.plots.style import save_figure
from fedbytes.plots.tables.comparison import metrics_in
from fedbytes.plots.tables.csv_text import csv_text
from fedbytes.plots.tables.store_tables import NothingToDrawError, Tables


@dataclass(frozen=True, eq=False)
class Drawing:
    """A figure that was drawn for one metric.

    Attributes:
        plugin: what drew it.
        options: what it was drawn for; the metric is named.
        name: of its files.
        figure: the figure itself.
        page: its number, from 1, where a plug-in draws several.
    """

    plugin: StoreFigure
    options: FigureOptions
    name: str
    figure: Figure
    page: int = 1

    @property
    def title(self) -> str:
        """The heading in a report."""
        return self.plugin.title_for(self.options.metric or "")

    @property
    def caption(self) -> str:
        """What to see in it."""
        return self.plugin.caption


def drawings(
    tables: Tables,
    metric: str | None = None,
    target: Target = None,
    baseline: str | None = None,
    figures: Iterable[StoreFigure] | None = None,
    undrawn: list[str] | None = None,
    asked: FigureOptions | None = None,
) -> Iterator[Drawing]:
    """Yield every figure that the tables have data for.

    Args:
        tables: the store's tables.
        metric: a column of the results; by default each kind of task's headline metric, with the
            metric in the file names if there are several.
        target: for bytes to target, in the metric's unit; by default 98 % of the baseline.
        baseline: a codec's label; by default the one that sends fp32 both ways.
        figures: what to draw; by default every registered figure.
        undrawn: gets a line for each figure that fails, so that the others are drawn; without it
            the first failure is raised.
        asked: the other options, such as the width; its metric, target and baseline are not used.

    Raises:
        NothingToDrawError: if no round was evaluated.
    """
    chosen = list(figures) if figures is not None else [make_figure(n) for n in figure_names()]
    for options, suffix in _metrics(tables, metric, target, baseline, asked):
        for plugin in chosen:
            try:
                found = [plugin.draw(page, options) for page in plugin.pages(tables, options)]
            except NothingToDrawError:
                continue
            except Exception as error:  # a figure of the user's own can fail in any way
                if undrawn is None:
                    raise
                reason = f"{type(error).__name__}: {error}"
                undrawn.append(single_line(f"figure {plugin.name} was not drawn: {reason}"))
                continue
            for number, figure in enumerate(found, start=1):
                page = "" if number == 1 else f"-{number}"
                yield Drawing(plugin, options, plugin.name + suffix + page, figure, number)


def draw_all(
    tables: Tables,
    folder: str | Path,
    metric: str | None = None,
    target: Target = None,
    baseline: str | None = None,
    figures: Iterable[StoreFigure] | None = None,
    undrawn: list[str] | None = None,
    asked: FigureOptions | None = None,
) -> list[Path]:
    """Write every figure as SVG, PDF and PNG, and the summary as Markdown, LaTeX and CSV.

    Arguments are those of `drawings`. Returns the paths that were written.

    Raises:
        NothingToDrawError: if no round was evaluated.
    """
    written = Path(folder)
    if asked is not None and asked.final is not None:
        tables = replace(tables, final=asked.final)
    paths = []
    for drawing in drawings(tables, metric, target, baseline, figures, undrawn, asked):
        paths += save_figure(drawing.figure, written, drawing.name)
        rows = None if drawing.page > 1 else drawing.plugin.rows(tables, drawing.options)
        if rows is not None:
            paths.append(written / f"{drawing.name}.csv")
            paths[-1].write_text(csv_text(rows, "%.5g"), encoding="utf-8")
    for options, suffix in _metrics(tables, metric, target, baseline, asked):
        frame = summary(tables, options.metric, options.target, options.baseline)
        texts = {"md": to_markdown(frame), "tex": to_latex(frame), "csv": to_csv(frame)}
        for ending, text in texts.items():
            paths.append(written / f"summary{suffix}.{ending}")
            paths[-1].write_text(text, encoding="utf-8")
    return paths


def _in_file_name(metric: str) -> str:
    """Return a metric's name without what a file's name cannot have."""
    return re.sub(r"[^\w.-]+", "-", metric)


def _metrics(
    tables: Tables,
    metric: str | None,
    target: Target,
    baseline: str | None,
    asked: FigureOptions | None,
) -> list[tuple[FigureOptions, str]]:
    """Return the options for each metric to draw, and what its file names end with."""
    names = [metric] if metric else [found.name for found in metrics_in(tables)]
    common = asked or FigureOptions()
    return [
        (
            as_declared(tables, replace(common, metric=name, target=target, baseline=baseline)),
            f"-{_in_file_name(name)}" if len(names) > 1 else "",
        )
        for name in names
    ]
