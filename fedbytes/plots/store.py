"""From a store's folder to the tables that figures are drawn from."""

from pathlib import Path

from fedbytes.experiments.results import (
    load_ledger,
    load_partitions,
    load_results,
    load_runs,
)
from fedbytes.plots.tables import Tables


def read_tables(folder: str | Path) -> Tables:
    """Return the tables of every run below `folder`.

    Raises:
        ValueError: if the folder does not exist, or holds no run.
    """
    runs = load_runs(folder)
    if runs.empty:
        raise ValueError(f"there is no run in {str(folder)!r}; `fedbytes sweep` makes some")
    return Tables(
        results=load_results(folder),
        ledger=load_ledger(folder),
        partitions=load_partitions(folder),
        runs=runs,
    )
