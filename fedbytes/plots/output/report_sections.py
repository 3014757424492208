"""The parts of a report: each metric's verdicts, figures and table, and each of its settings."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from math import isnan, nan

import numpy as np
import pandas as pd
from markupsafe import Markup

from fedbytes.plots.drawing.seed_curves import draw_seed_curves
from fedbytes.plots.method_looks import assign_line_styles
from fedbytes.plots.number_words import format_bytes
from fedbytes.plots.output.inline_svg import inline_svg, page_colours
from fedbytes.plots.output.render import Drawing, drawings
from fedbytes.plots.output.seed_table import tabulate_seeds
from fedbytes.plots.output.summary import summary, summary_text
from fedbytes.plots.store_figure import FigureOptions, StoreFigure
from fedbytes.plots.tables.comparison import compare_codecs, metric_named, metrics_in
from fedbytes.plots.tables.shown_labels import shorten_labels
from fedbytes.plots.tables.store_tables import NothingToDrawError, Tables
from fedbytes.plots.verdicts.verdict_sentence import state_verdicts
from fedbytes.plots.verdicts.verdict_table import measure_verdicts

_SORT_BY = {
    "To baseline": "difference",
    "Total": "total_bytes",
    "Target": "target",
    "To target": "bytes_to_target",
    "Ratio": "ratio",
    "Seconds": "seconds",
    "Overhead": "overhead",
}


@dataclass(frozen=True)
class Cell:
    """The text of a cell, and the number that it sorts by (empty: by its text)."""

    text: str
    number: str = ""


@dataclass(frozen=True)
class ReportRow:
    """A row of the summary: its method as figures name it, its setting, its cells."""

    method: str
    setting: str
    cells: list[Cell]


@dataclass(frozen=True)
class SettingPart:
    """One setting: how each seed ended, and each run's curve.

    Attributes:
        seeds: their numbers.
        rows: the method as figures name it, its whole label, and a value a seed.
        curves: None where nothing can be drawn.
    """

    title: str
    seeds: list[int]
    rows: list[tuple[str, str, list[str]]]
    curves: Markup | None


@dataclass(frozen=True)
class Section:
    """One metric of a report."""

    heading: str
    verdicts: list[str]
    columns: list[str]
    rows: list[ReportRow]
    figures: list[tuple[Drawing, Markup]]
    appendix: list[tuple[Drawing, Markup]]
    settings: list[SettingPart]
    ending: str
    frame: pd.DataFrame = field(repr=False)


@dataclass(frozen=True)
class ReportMethod:
    """A method in the list that all figures are filtered by: its name there, label and colour."""

    name: str
    label: str
    color: str


def list_methods(tables: Tables, baseline: str | None) -> list[ReportMethod]:
    """Return the methods of a store, the baseline first, by the names that figures give them."""
    try:
        shown, names = shorten_labels(tables)
        comparison = compare_codecs(shown, None, names.get(baseline or "", baseline))
    except (NothingToDrawError, ValueError):
        return []
    known = {name: label for label, name in names.items()}
    others = [name for name in names.values() if name not in comparison.codecs]  # of other metrics
    variables = {color: f"var(--{name})" for name, color in page_colours().items()}
    styles = assign_line_styles([*comparison.codecs, *others], comparison.baseline)
    return [
        ReportMethod(name, known.get(name, name), variables.get(look.color, look.color))
        for name, look in styles.items()
    ]


def make_sections(
    tables: Tables,
    options: FigureOptions,
    figures: Iterable[StoreFigure] | None,
    undrawn: list[str],
) -> list[Section]:
    """Return a section per metric; none without an evaluated round.

    Args:
        tables: of the store.
        options: of all figures; without a metric, each task's headline.
        figures: what to draw; all registered figures by default.
        undrawn: gets a line for each figure that fails.
    """
    chosen = None if figures is None else list(figures)
    if options.final is not None:
        tables = replace(tables, final=options.final)
    try:
        found = [options.metric] if options.metric else [one.name for one in metrics_in(tables)]
    except NothingToDrawError:
        return []
    return [
        _section(tables, replace(options, metric=name), chosen, undrawn, len(found) > 1)
        for name in found
    ]


def _section(
    tables: Tables,
    options: FigureOptions,
    figures: list[StoreFigure] | None,
    undrawn: list[str],
    several: bool,
) -> Section:
    name = options.metric or ""
    frame = summary(tables, name, options.target, options.baseline)
    text = summary_text(frame)
    drawn = [
        (drawing, inline_svg(drawing.figure, f"{drawing.name}-{name}", _alt(drawing, frame)))
        for drawing in drawings(
            tables, name, options.target, options.baseline, figures, undrawn, options
        )
    ]
    known = metric_named(name)
    return Section(
        heading=known.label.split(" (")[0],
        verdicts=_verdicts(tables, options),
        columns=list(text.columns),
        rows=_rows(tables, frame, text),
        figures=[pair for pair in drawn if not pair[0].plugin.appendix],
        appendix=[pair for pair in drawn if pair[0].plugin.appendix],
        settings=_settings(tables, options, figures),
        ending=f"-{name}" if several else "",
        frame=frame,
    )


def _verdicts(tables: Tables, options: FigureOptions) -> list[str]:
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            frame = measure_verdicts(
                tables,
                options.margin,
                options.metric,
                options.baseline,
                options.target,
                options.final,
            )
    except ValueError as error:
        return [f"There are no verdicts: {error}."]
    return state_verdicts(frame)


def _rows(tables: Tables, frame: pd.DataFrame, shown: pd.DataFrame) -> list[ReportRow]:
    names = shorten_labels(tables)[1]
    columns = []
    for name in shown.columns:
        source = _SORT_BY.get(name, "value" if name.startswith("Final") else "")
        numbers = frame[source].to_list() if source else [nan] * len(frame)
        columns.append(
            [
                Cell(text, "" if isnan(number) else repr(float(number)))
                for text, number in zip(shown[name], numbers, strict=True)
            ]
        )
    return [
        ReportRow(names.get(codec, codec), setting, list(cells))
        for codec, setting, cells in zip(
            frame["codec"], frame["setting"], zip(*columns, strict=True), strict=True
        )
    ]


def _settings(
    tables: Tables, options: FigureOptions, figures: list[StoreFigure] | None
) -> list[SettingPart]:
    comparison = compare_codecs(tables, options.metric, options.baseline)
    names = shorten_labels(tables)[1]
    parts = []
    for place, setting in enumerate(comparison.settings):
        seeds, rows = tabulate_seeds(tables, comparison, setting)
        curves = None
        if figures is None or figures:
            try:
                figure = draw_seed_curves(tables, options, set(setting.rows["run"]))
                alt = f"{comparison.metric.label} of every run against bytes: {setting.title}"
                curves = inline_svg(figure, f"seeds-{options.metric}-{place}", alt)
            except NothingToDrawError:
                curves = None
        shown = [(names.get(method, method), method, values) for method, values in rows]
        parts.append(SettingPart(setting.title, seeds, shown, curves))
    return parts


def _alt(drawing: Drawing, frame: pd.DataFrame) -> str:
    """Return a figure's content in words, for screen readers."""
    words = f"{drawing.title}. {drawing.caption}"
    name = drawing.options.metric
    if name is None or not drawing.plugin.shows_metric:
        return words
    metric = metric_named(name)
    for setting, rows in frame.groupby("setting", sort=False):
        ends = (
            f"{codec} ends at {metric.show(value)} after {format_bytes(spent)}"
            for codec, value, spent in zip(
                rows["codec"], rows["value"], rows["total_bytes"], strict=True
            )
        )
        words += f" {setting!s}: {'; '.join(ends)}."
    return words
