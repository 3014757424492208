"""What a reader takes from a report: tables, the commands that repeat it, a citation."""

import re
import shlex
from collections.abc import Sequence
from typing import Any

import pandas as pd

from fedbytes.plots.output.latex import to_latex
from fedbytes.plots.output.summary import to_csv
from fedbytes.plots.store_figure import FigureOptions
from fedbytes.plots.tables.csv_text import csv_text
from fedbytes.plots.tables.store_tables import Tables, read_mapping

_MOST_BYTES = 4_000_000  # of the rows; more are left to `fedbytes plot`


def collect_files(tables: Tables, frames: Sequence[tuple[str, pd.DataFrame]]) -> dict[str, str]:
    """Return the texts that a report offers, by file name.

    Args:
        tables: whose rows are `results.csv`, unless they are too many.
        frames: each metric's ending of file names, and its summary.
    """
    files = {}
    for ending, frame in frames:
        files[f"summary{ending}.csv"] = to_csv(frame)
        files[f"summary{ending}.tex"] = to_latex(frame)
    rows = csv_text(tables.results, "%.6g")
    return files | ({"results.csv": rows} if len(rows) <= _MOST_BYTES else {})


def repeat_commands(tables: Tables, options: FigureOptions) -> list[str]:
    """Return the commands that make these runs and this report again."""
    suites = _distinct(tables.runs.get("suite", pd.Series(dtype=object)))
    commits = _distinct(pd.Series([_origin(tables, i).get("commit") for i in tables.runs.index]))
    lines = [f"git checkout {commits[0]}"] if len(commits) == 1 else []
    store = f"runs/{suites[0]}" if len(suites) == 1 else "STORE"
    lines += [f"fedbytes sweep {shlex.quote(suite)}" for suite in suites]
    words = ["fedbytes", "report", store]
    for name, value in (
        ("metric", options.metric), ("target", options.target), ("baseline", options.baseline),
        ("margin", options.margin),
    ):  # fmt: skip
        words += [f"--{name}", shlex.quote(str(value))] if value is not None else []
    return [*lines, " ".join(words)]


def cite(tables: Tables, title: str) -> str:
    """Return a BibTeX entry of these results."""
    origins = [_origin(tables, i) for i in tables.runs.index]
    commits = _distinct(pd.Series([origin.get("commit") for origin in origins], dtype=object))
    suites = _distinct(tables.runs.get("suite", pd.Series(dtype=object)))
    key = re.sub(r"\W+", "-", suites[0] if len(suites) == 1 else "results").strip("-")
    made = f", commit {commits[0]}" if len(commits) == 1 else ""
    count = f"{len(tables.runs)} run{'' if len(tables.runs) == 1 else 's'}"
    plain = re.sub(r"[{}\\]", "", title)
    return (
        f"@misc{{fedbytes-{key},\n  title = {{{plain}}},\n"
        f"  howpublished = {{fedbytes{made}}},\n  note = {{{count}}}\n}}"
    )


def _origin(tables: Tables, index: Any) -> dict[str, Any]:
    return read_mapping(tables.runs["provenance"][index]) if "provenance" in tables.runs else {}


def _distinct(values: "pd.Series[Any]") -> list[str]:
    return sorted({str(value) for value in values.dropna() if str(value)})
