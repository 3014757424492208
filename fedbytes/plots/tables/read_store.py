"""Reads the tables of a store."""

from pathlib import Path

from fedbytes.experiments.store.results import (
    load_audits,
    load_clients,
    load_ledger,
    load_partitions,
    load_predictions,
    load_results,
    load_runs,
    stored_baseline,
    stored_protocol,
)
from fedbytes.plots.tables.declared_protocol import find_declared
from fedbytes.plots.tables.kept.crossed_seeds import join_seeds
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
        clients=load_clients(folder),
        audits=load_audits(folder),
    )
