"""Reads a store, or the rows that its figures were drawn from, where the store itself is gone."""

from pathlib import Path

import pandas as pd

from fedbytes.plots.tables.read_store import read_tables
from fedbytes.plots.tables.store_tables import Tables

_TELLING = (
    "suite", "task", "model", "adapter", "algorithm", "partition", "alpha",
    "attack", "defense", "clean", "privacy", "audit", "codec", "seed",
)  # fmt: skip


def read_store_or_rows(folder: str | Path) -> Tables:
    """Return the tables of a store, or those of the `results.csv` that `fedbytes plot` writes.

    Rows alone say nothing of configurations, messages or holdings, and of failures only that runs
    are missing; a run that ends before its last round counts as interrupted.

    Raises:
        ValueError: if the folder does not exist, or holds neither.
    """
    path = Path(folder) / "results.csv"
    if not path.is_file() or any(Path(folder).rglob("config.yaml")):
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
    _refuse_confusion(rows, path)
    ends = rows.groupby("run")["round"].max() >= rows.groupby("run")["rounds"].max()
    status = ["done" if ended else "interrupted" for ended in ends]
    nothing = pd.DataFrame({"run": []})
    return Tables(rows, nothing, nothing, pd.DataFrame({"run": ends.index, "status": status}))


def _refuse_confusion(rows: pd.DataFrame, path: Path) -> None:
    """Refuse runs that differ in a field which rows do not hold, such as the clients' number."""
    runs = rows.drop_duplicates("run")
    twins = runs[runs.duplicated([name for name in _TELLING if name in runs], keep=False)]
    if not twins.empty:
        names = ", ".join(twins["run"].head(2))
        raise ValueError(
            f"{path}: runs {names} differ in settings that rows do not hold; give the store itself"
        )
