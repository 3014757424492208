"""Reads the tables of a store, and writes the rows behind its figures."""

import json
from pathlib import Path
from typing import Any

from fedbytes.experiments.store.results import (
    load_ledger,
    load_partitions,
    load_predictions,
    load_results,
    load_runs,
    stored_baseline,
    stored_protocol,
)
from fedbytes.plots.tables.crossed_seeds import join_seeds
from fedbytes.plots.tables.csv_text import csv_text
from fedbytes.plots.tables.declared_protocol import find_declared
from fedbytes.plots.tables.store_tables import Tables, apply_labels


def read_tables(folder: str | Path) -> Tables:
    """Return the tables of every run below `folder`.

    Raises:
        ValueError: if the folder does not exist, or holds no run.
    """
    runs = load_runs(folder)
    if runs.empty:
        raise ValueError(f"there is no run in {str(folder)!r}; `fedbytes sweep` makes some")
    results, runs = join_seeds(load_results(folder), runs)
    return Tables(
        results=apply_labels(results),
        ledger=load_ledger(folder),
        partitions=load_partitions(folder),
        runs=runs,
        baseline=stored_baseline(folder),
        declared=find_declared(stored_protocol(folder), runs["provenance"].tolist()),
        predictions=load_predictions(folder),
    )


def write_data(tables: Tables, folder: str | Path) -> list[Path]:
    """Write the rows behind the figures, and their provenance.

    Returns:
        the paths of `results.csv` (a row per run and evaluated round) and `provenance.json`
        (what all runs have in common, and lists of what differs between them).
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    results, origin = target / "results.csv", target / "provenance.json"
    results.write_text(csv_text(tables.results, "%.6g"), encoding="utf-8")
    records = [record for record in tables.runs["provenance"] if record]
    common: dict[str, Any] = {"runs": tables.runs["run"].tolist()}
    for key in records[0] if records else ():
        values = {json.dumps(record.get(key), sort_keys=True) for record in records}
        found = [json.loads(value) for value in sorted(values)]
        common[key] = found[0] if len(found) == 1 else found
    origin.write_text(json.dumps(common, indent=2) + "\n", encoding="utf-8")
    return [results, origin]
