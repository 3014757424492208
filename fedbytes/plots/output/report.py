"""One HTML file for a whole sweep: verdicts, figures, tables and provenance; it opens offline."""

import json
import os
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from fedbytes.experiments.config.target import Target
from fedbytes.labels import printable
from fedbytes.plots.output.downloads import cite, collect_files, repeat_commands
from fedbytes.plots.output.report_sections import list_methods, make_sections
from fedbytes.plots.output.run_states import (
    describe_status,
    list_failed,
    list_provenance,
    measure_facts,
)
from fedbytes.plots.store_figure import FigureOptions, StoreFigure
from fedbytes.plots.tables.store_tables import Tables


def write_report(
    tables: Tables,
    path: str | Path,
    title: str = "fedbytes",
    metric: str | None = None,
    target: Target = None,
    baseline: str | None = None,
    figures: Iterable[StoreFigure] | None = None,
    asked: FigureOptions | None = None,
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
        asked: as for `drawings`.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        finalize=_printable,
    )
    options = replace(
        asked or FigureOptions(), metric=metric, target=target, baseline=baseline, width="page"
    )
    undrawn: list[str] = []
    sections = make_sections(tables, options, figures, undrawn)
    files = collect_files(tables, [(s.ending, s.frame) for s in sections]) if sections else {}
    page = environment.get_template("report.html").render(
        title=title,
        sections=sections,
        methods=list_methods(tables, baseline),
        undrawn=undrawn,
        status=describe_status(tables),
        facts=measure_facts(tables.runs),
        failed=list_failed(tables),
        provenance=list_provenance(tables.runs),
        files=sorted(files),
        contents=_json(files),
        commands=repeat_commands(tables, options) if sections else [],
        citation=cite(tables, title) if sections else "",
    )
    return _write(Path(path), page)


def _json(files: dict[str, str]) -> Markup:
    """Return texts as JSON that no HTML parser reads as anything else."""
    text = json.dumps(files, ensure_ascii=True).replace("<", "\\u003c")
    return Markup(text)


def _printable(value: Any) -> Any:
    """Return a text without control characters, which HTML has no place for; its lines stay."""
    is_text = isinstance(value, str) and not isinstance(value, Markup)
    return printable(value.expandtabs(4)) if is_text else value


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
