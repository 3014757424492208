"""The numbers of one run, whether they come from a store, a submission or a published table."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from fedbytes.experiments.published.tolerance import TestSizes
from fedbytes.experiments.store.results import load_clients, load_results, load_runs
from fedbytes.process.near_paths import hint_at_near_path

NUMBERS = ("up_bytes", "down_bytes", "total_bytes")
"""Columns of rows that are whole numbers of bytes."""
_SECONDS = "seconds"


@dataclass(frozen=True, eq=False)
class RunRecord:
    """A run as it is compared.

    Attributes:
        run: its id.
        rows: one per evaluated round, as the results table has them; seconds are left out.
        status: `done`, `failed` and so on.
        settings: the run's configuration; empty where only rows are known.
        provenance: what the run was made from; empty where only rows are known.
        exact: whether the numbers are whole, not rounded for printing.
        sizes: how many test examples it is measured with, as far as that is known.
    """

    run: str
    rows: pd.DataFrame
    status: str = "done"
    settings: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    exact: bool = True
    sizes: TestSizes = field(default_factory=TestSizes)

    @property
    def label(self) -> str:
        """The method's name in tables."""
        return str(self.settings.get("label") or self.rows["codec"].iloc[0])


def read_records(folder: str | Path) -> dict[str, RunRecord]:
    """Return the runs of a store, or of the `results.csv` that `fedbytes plot` writes, by id.

    Raises:
        ValueError: if the folder does not exist, or holds neither.
    """
    root = Path(folder)
    if not root.is_dir():
        near = hint_at_near_path(root, folder=True)
        raise ValueError(
            f"there is no folder {str(root)!r}{near}: give a store of `fedbytes sweep`, or a "
            "folder that `fedbytes plot` wrote"
        )
    if any(root.rglob("config.yaml")):
        return _of_store(root)
    for name, exact in (("rounds.csv", True), ("results.csv", False)):
        if (root / name).is_file():
            return _of_table(root / name, exact)
    raise ValueError(
        f"{str(root)!r} holds no run and no results.csv: give a store of `fedbytes sweep`, or a "
        "folder that `fedbytes plot` or `fedbytes submit` wrote"
    )


def read_rows(path: Path) -> pd.DataFrame:
    """Return a table of results as it was written: every digit, and no guessed missing value.

    Raises:
        ValueError: if it is no such table.
    """
    try:
        rows = pd.read_csv(
            path,
            dtype={"run": str, "codec": str},
            na_values=[""],
            keep_default_na=False,
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no table of results: {error}") from error
    missing = [n for n in ("run", "codec", "seed", "round", *NUMBERS) if n not in rows]
    if missing:
        raise ValueError(f"{path} lacks the columns {', '.join(missing)}; `fedbytes plot` has them")
    return rows


def _of_store(root: Path) -> dict[str, RunRecord]:
    results, runs, own = load_results(root), load_runs(root), _own_tests(root)
    found = {}
    for one in runs.to_dict("records"):
        rows, told = results[results["run"] == one["run"]], one["provenance"]
        found[one["run"]] = RunRecord(
            one["run"],
            measured_rows(rows),
            one["status"],
            one["config"],
            told,
            sizes=TestSizes.of(told, own.get(one["run"], ())),
        )
    return found


def _own_tests(root: Path) -> dict[str, list[int]]:
    """Return how many test examples each client of a run has of its own, by run."""
    clients = load_clients(root)
    if "examples" not in clients:
        return {}
    sizes = clients.groupby(["run", "client"])["examples"].max().dropna().astype(int)
    return {str(run): part.tolist() for run, part in sizes.groupby(level="run")}


def _of_table(path: Path, exact: bool) -> dict[str, RunRecord]:
    rows = read_rows(path)
    return {
        str(run): RunRecord(str(run), measured_rows(part), exact=exact)
        for run, part in rows.groupby("run", sort=True)
    }


def measured_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a run's rows by round, without seconds; what diverged throughout stays, as NaN."""
    kept = rows.drop(columns=[_SECONDS], errors="ignore")
    return kept.sort_values("round").reset_index(drop=True)
