"""Reads a store, or the rows that its figures were drawn from, where the store itself is gone."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from fedbytes.experiments.store.per_text.right_answers import unpack_right
from fedbytes.experiments.store.results import stored_baseline, stored_protocol
from fedbytes.plots.tables.declared_protocol import find_declared
from fedbytes.plots.tables.kept.kept_rows import (
    AUDITS_FILE,
    BYTES_FILE,
    CLIENTS_FILE,
    HOLDINGS_FILE,
    PREDICTIONS_FILE,
    RUNS_FILE,
)
from fedbytes.plots.tables.kept.made_from import origin_of_each
from fedbytes.plots.tables.read_store import read_tables
from fedbytes.plots.tables.store_tables import Tables, read_mapping

_TELLING = (
    "suite", "task", "model", "adapter", "algorithm", "partition", "alpha",
    "attack", "defense", "clean", "privacy", "audit", "codec", "seed",
)  # fmt: skip


def read_store_or_rows(folder: str | Path) -> Tables:
    """Return the tables of a store, or those of the `results.csv` that `fedbytes plot` writes.

    Files that `write_data` puts beside it tell of configurations, bytes by kind, holdings, right
    answers, clients' own tests and audits, and `suite.json` of the suite. Without them rows say
    nothing of these, and of failures only that runs are missing; a run that ends before its last
    round counts as interrupted.

    Raises:
        ValueError: if the folder does not exist, or holds neither.
    """
    path = Path(folder) / "results.csv"
    if not is_kept_rows(folder):
        return read_tables(folder)
    try:
        # A codec or attack may be called "none", which is no missing value.
        types = {"run": str, "codec": str}
        rows = pd.read_csv(path, dtype=types, na_values=[""], keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no table of results: {error}") from error
    needed = ("run", "codec", "seed", "round", "rounds", "total_bytes")
    missing = [name for name in needed if name not in rows]
    if missing or rows.empty:
        lack = f"lacks the columns {', '.join(missing)}" if missing else "has no row"
        raise ValueError(f"{path} {lack}; `fedbytes plot` writes it")
    root = path.parent
    runs = _read_runs(root, rows)
    if "config" not in runs:
        _refuse_confusion(rows, path)
    origins = origin_of_each(read_origin(root), runs["run"].tolist())
    return Tables(
        results=rows,
        ledger=_read_table(root / BYTES_FILE),
        partitions=_read_table(root / HOLDINGS_FILE),
        runs=runs.assign(provenance=_column(origins)),
        baseline=stored_baseline(root),
        declared=find_declared(stored_protocol(root), origins),
        predictions=_read_predictions(root / PREDICTIONS_FILE),
        clients=_read_table(root / CLIENTS_FILE),
        audits=_read_table(root / AUDITS_FILE),
    )


def is_kept_rows(folder: str | Path) -> bool:
    """Return whether a folder holds rows that `fedbytes plot` wrote, and no run."""
    root = Path(folder)
    return (root / "results.csv").is_file() and not any(root.rglob("config.yaml"))


def _read_runs(root: Path, rows: pd.DataFrame) -> pd.DataFrame:
    """Return a row per run: as it was written, or what the rows alone tell of it."""
    path = root / RUNS_FILE
    if path.is_file():
        lines = path.read_text(encoding="utf-8").splitlines()
        return pd.DataFrame([json.loads(line) for line in lines])
    ends = rows.groupby("run")["round"].max() >= rows.groupby("run")["rounds"].max()
    status = ["done" if ended else "interrupted" for ended in ends]
    return pd.DataFrame({"run": ends.index, "status": status})


def read_origin(folder: str | Path) -> dict[str, Any]:
    """Return what kept rows were made from, as their `provenance.json` says; empty without it."""
    path = Path(folder) / "provenance.json"
    return read_mapping(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _read_table(path: Path) -> pd.DataFrame:
    """Return a table that was written as CSV; an empty one without the file."""
    if not path.is_file():
        return pd.DataFrame({"run": []})
    types = {"run": str, "category": str, "client_name": str}
    return pd.read_csv(path, dtype=types, na_values=[""], keep_default_na=False)


def _read_predictions(path: Path) -> pd.DataFrame:
    found = _read_table(path)
    if found.empty:
        return found
    rows = [{str(key): value for key, value in row.items()} for row in found.to_dict("records")]
    return found.assign(right=_column([unpack_right(row) for row in rows]))


def _column(values: list[Any]) -> "pd.Series[Any]":
    return pd.Series(values, dtype=object)


def _refuse_confusion(rows: pd.DataFrame, path: Path) -> None:
    """Refuse runs that differ in a field which rows do not hold, such as the clients' number."""
    runs = rows.drop_duplicates("run")
    twins = runs[runs.duplicated([name for name in _TELLING if name in runs], keep=False)]
    if not twins.empty:
        names = ", ".join(twins["run"].head(2))
        raise ValueError(
            f"{path}: runs {names} differ in settings that rows do not hold; give the store itself"
        )
