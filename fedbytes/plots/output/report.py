"""One HTML file for a whole sweep: figures, table and provenance; it opens offline."""

import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from math import isnan, nan
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from fedbytes.experiments.config.target import Target
from fedbytes.labels import printable, single_line
from fedbytes.plots.number_words import format_bytes, format_value
from fedbytes.plots.output.render import Drawing, drawings
from fedbytes.plots.store_figure import StoreFigure
from fedbytes.plots.style import COLOURS, GRID, INK, PAPER, render_svg
from fedbytes.plots.tables.comparison import metric_named, metrics_in
from fedbytes.plots.tables.store_tables import (
    NothingToDrawError,
    Tables,
    flatten_keys,
    read_mapping,
)
from fedbytes.plots.tables.summary import summary, summary_text

_SORT_BY = {
    "To baseline": "difference",
    "Total": "total_bytes",
    "Target": "target",
    "To target": "bytes_to_target",
    "Ratio": "ratio",
    "Seconds": "seconds",
    "Overhead": "overhead",
}
# Results of one run rather than provenance; the table shows them.
_PER_RUN = ("labels", "heterogeneity", "setup_bytes", "tokenizer_bytes", "unigram_perplexity")


@dataclass(frozen=True)
class Cell:
    """The text of a cell, and the number that it sorts by (empty: by its text)."""

    text: str
    number: str = ""


@dataclass(frozen=True)
class Section:
    """The summary of one metric, and its figures as inline SVG."""

    heading: str
    columns: list[str]
    rows: list[list[Cell]]
    figures: list[tuple[Drawing, Markup]]


def write_report(
    tables: Tables,
    path: str | Path,
    title: str = "fedbytes",
    metric: str | None = None,
    target: Target = None,
    baseline: str | None = None,
    figures: Iterable[StoreFigure] | None = None,
) -> Path:
    """Write one self-contained HTML file; without a finished round it says so.

    The file has no date in it: the same tables give the same bytes.

    Args:
        tables: the store's tables.
        path: the file to write; its folder is made.
        title: the heading.
        metric: as for `drawings`.
        target: as for `drawings`.
        baseline: as for `drawings`.
        figures: as for `drawings`.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        finalize=_printable,
    )
    undrawn: list[str] = []
    page = environment.get_template("report.html").render(
        title=title,
        sections=_sections(tables, metric, target, baseline, figures, undrawn),
        undrawn=undrawn,
        status=_status(tables),
        facts=_facts(tables.runs),
        failed=_failed(tables),
        provenance=_provenance(tables.runs),
    )
    return _write(Path(path), page)


def _printable(value: Any) -> Any:
    """Return a text without control characters, which HTML has no place for; its lines stay."""
    is_text = isinstance(value, str) and not isinstance(value, Markup)
    return printable(value.expandtabs(4)) if is_text else value


def _sections(
    tables: Tables,
    metric: str | None,
    target: Target,
    baseline: str | None,
    figures: Iterable[StoreFigure] | None,
    undrawn: list[str],
) -> list[Section]:
    shown = None if figures is None else list(figures)
    try:
        metrics = [metric] if metric else [found.name for found in metrics_in(tables)]
    except NothingToDrawError:
        return []
    sections = []
    for name in metrics:
        frame = summary(tables, name, target, baseline)
        known = metric_named(name)
        text = summary_text(frame)
        drawn = [
            (drawing, inline_svg(drawing.figure, f"{drawing.name}-{name}", _alt(drawing, frame)))
            for drawing in drawings(tables, name, target, baseline, shown, undrawn)
        ]
        heading = known.label.split(" (")[0]
        sections.append(Section(heading, list(text.columns), _cells(frame, text), drawn))
    return sections


def _cells(frame: pd.DataFrame, shown: pd.DataFrame) -> list[list[Cell]]:
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
    return [list(row) for row in zip(*columns, strict=True)]


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


def inline_svg(figure: Figure, prefix: str, alt: str) -> Markup:
    """Return a figure as an SVG element for a page with others.

    Ids get `prefix`, links to other documents are removed, and the style's colours become the
    page's variables, so that a figure is light on dark where the page is.
    """
    text = render_svg(figure)
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r"<style[^>]*>.*?</style>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->\s*", "", text, flags=re.DOTALL)
    prefix = re.sub(r"\W+", "-", prefix)
    text = re.sub(r'\bid="([^"]*)"', rf'id="{prefix}-\1"', text)
    text = re.sub(r'(?:xlink:)?href="#', f'href="#{prefix}-', text)
    text = text.replace("url(#", f"url(#{prefix}-")
    for name, color in {"ink": INK, "paper": PAPER, "grid": GRID, **_palette()}.items():
        text = text.replace(color, f"var(--{name})")
    box = re.search(r'viewBox="[^"]*"', text)
    words = Markup.escape(single_line(alt))
    head = f'<svg {box[0] if box else ""} role="img" aria-label="{words}">'
    return Markup(head + text[text.index(">") + 1 :])


def _palette() -> dict[str, str]:
    return {f"c{i}": color for i, color in enumerate(COLOURS)}


def _status(tables: Tables) -> str:
    if "status" not in tables.runs:
        return ""
    counts = Counter(tables.runs["status"])
    order = sorted(counts, key=lambda status: ("done", "running", "failed", status).index(status))
    names = {"done": "finished"}
    parts = ", ".join(f"{counts[status]} {names.get(status, status)}" for status in order)
    plural = "run" if len(tables.runs) == 1 else "runs"
    left_out = (
        ""
        if set(counts) <= {"done"} or "done" not in counts
        else (" Figures and table show the finished ones.")
    )
    return f"{len(tables.runs)} {plural}: {parts}.{left_out}{_stale(tables, 'done' in counts)}"


def _stale(tables: Tables, left_out: bool) -> str:
    """Return what is said of stale runs; empty if there is none."""
    count = len(tables.stale())
    if not count:
        return ""
    runs, verb = ("run", "is") if count == 1 else ("runs", "are")
    return (
        f" {count} stale {runs} {verb} {'left out' if left_out else 'shown'}: made from files that "
        "have changed since, or at an earlier revision of a plug-in (fedbytes status says which)."
    )


def _facts(runs: pd.DataFrame) -> list[tuple[str, str]]:
    """Return set-up bytes, memory, and the perplexity that word frequencies alone reach."""
    facts = []
    for column, words, show in (
        (
            "setup_bytes",
            "Set-up bytes of a run (frozen base model, tokenizer), not in the figures",
            format_bytes,
        ),
        ("peak_memory_bytes", "Peak memory of a run", format_bytes),
        ("peak_gpu_bytes", "Peak GPU memory of a run", format_bytes),
        (
            "unigram_perplexity",
            "Test perplexity of a unigram model",
            lambda value: format_value(value, 1),
        ),
    ):
        values = pd.to_numeric(runs.get(column, pd.Series(dtype=float)), "coerce").dropna()
        if len(values):
            low, high = show(float(values.min())), show(float(values.max()))
            facts.append((words, low if low == high else f"{low} to {high}"))
    return facts


def _failed(tables: Tables) -> list[dict[str, str]]:
    found = []
    for row in tables.failed().to_dict("records"):
        error = _words(row.get("error")) or "no error was recorded"
        config = flatten_keys(read_mapping(row.get("config")))
        found.append(
            {
                "run": str(row["run"]),
                "config": ", ".join(f"{key}={value}" for key, value in config.items()),
                "line": error.splitlines()[-1],
                "error": _words(row.get("traceback")) or error,
            }
        )
    return found


def _words(value: object) -> str:
    """Return a stored text; nothing if there is none, or NaN for none."""
    return value.strip() if isinstance(value, str) else ""


def _provenance(runs: pd.DataFrame) -> list[tuple[str, str]]:
    """Return each fact of the provenance; where runs differ, each value and its number of runs."""
    if "provenance" not in runs:
        return []
    flat = [flatten_keys(read_mapping(value)) for value in runs["provenance"]]
    flat = [facts for facts in flat if facts]
    keys = dict.fromkeys(key for facts in flat for key in facts)
    return [
        (key, _shared([str(facts.get(key, "not recorded")) for facts in flat]))
        for key in keys
        if not key.startswith(_PER_RUN)
    ]


def _shared(values: list[str]) -> str:
    counts = Counter(values)
    if len(counts) == 1:
        return values[0]
    if len(counts) > 4:
        return f"{min(values)} … {max(values)} ({len(counts)} values)"
    return "; ".join(
        f"{value} ({count} of {len(values)} runs)" for value, count in counts.most_common()
    )


def _write(path: Path, page: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(page)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path
