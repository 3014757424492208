"""Stores damaged at random: no table is short without a word, and none crashes."""

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fedbytes.experiments import (
    load_audits,
    load_deltas,
    load_ledger,
    load_partitions,
    load_results,
    load_runs,
)
from fedbytes.experiments.store.damage import DamagedRunWarning
from fedbytes.experiments.store.find_runs import StoreConflictError
from fedbytes.streams import stream

LOADERS = (load_results, load_deltas, load_audits, load_ledger, load_partitions)
Damage = Callable[[Path, np.random.Generator], str]


def flip(store: Path, rng: np.random.Generator) -> str:
    path = _some_file(store, rng)
    data = bytearray(path.read_bytes())
    for _ in range(int(rng.integers(1, 4))):
        data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
    path.write_bytes(data)
    return f"flipped {path.relative_to(store)}"


def cut(store: Path, rng: np.random.Generator) -> str:
    path = _some_file(store, rng)
    length = int(rng.integers(path.stat().st_size))
    path.write_bytes(path.read_bytes()[:length])
    return f"cut {path.relative_to(store)} to {length}"


def remove(store: Path, rng: np.random.Generator) -> str:
    path = _some_file(store, rng, empty=True)
    path.unlink()
    return f"removed {path.relative_to(store)}"


def rename(store: Path, rng: np.random.Generator) -> str:
    folder = _some_run(store, rng)
    folder.rename(folder.with_name(f"renamed {folder.name[:8]} {rng.integers(1000)}"))
    return f"renamed {folder.relative_to(store)}"


def merge(store: Path, rng: np.random.Generator) -> str:
    folder = _some_run(store, rng)
    place = ["a", "z", "merged/deeper"][int(rng.integers(3))]
    if folder.parent != store / place:
        shutil.copytree(folder, store / place / folder.name, dirs_exist_ok=True)
    return f"copied {folder.relative_to(store)} into {place}"


DAMAGES: tuple[Damage, ...] = (flip, flip, cut, remove, rename, merge)


def _some_run(store: Path, rng: np.random.Generator) -> Path:
    folders = sorted({p.parent for p in store.rglob("*") if p.name in ("rounds.jsonl",)})
    return folders[int(rng.integers(len(folders)))] if folders else store


def _some_file(store: Path, rng: np.random.Generator, empty: bool = False) -> Path:
    files = sorted(p for p in store.rglob("*") if p.is_file() and (empty or p.stat().st_size))
    return files[int(rng.integers(len(files)))]


def rows_of(table: pd.DataFrame, run: str) -> list[str]:
    """Return a run's rows as text, columns that only other runs have left out."""
    mine = table[table["run"] == run].dropna(axis="columns", how="all")
    columns = sorted(mine.columns)
    return [repr([plain(value) for value in row]) for row in mine[columns].to_numpy(dtype=object)]


def plain(value: object) -> object:
    """Return a number as a float: a column is of floats where another run lacks it."""
    return float(value) if isinstance(value, int | float | np.number) else value


def check(store: Path, whole: dict[str, dict[str, list[str]]], what: str) -> int:
    """Check every table of a damaged store; return how many runs were left out with a word."""
    left_out = 0
    for load in LOADERS:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                table = load(store)
            except StoreConflictError:
                left_out += 1
                continue
        said = [str(w.message) for w in caught if issubclass(w.category, DamagedRunWarning)]
        assert all("\n" not in line and "restore" in line for line in said)
        assert set(table["run"]) <= set(whole), f"{load.__name__} after {what}"
        for run, rows in whole.items():
            found = rows_of(table, run)
            if found != rows[load.__name__]:
                assert not found, f"{load.__name__} has other rows of {run} after {what}"
                assert said, f"{load.__name__} is short of {run} without a word after {what}"
                left_out += 1
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        try:
            runs = load_runs(store)
        except StoreConflictError:
            return left_out
    assert len(runs) >= len(whole), f"load_runs after {what}"
    assert (runs.loc[runs["status"] == "damaged", "error"] != "").all()
    return left_out


def damage_many(made_store: Path, folder: Path, cases: range) -> int:
    tables = {load.__name__: load(made_store) for load in LOADERS}
    ids = load_runs(made_store)["run"]
    whole = {run: {name: rows_of(t, run) for name, t in tables.items()} for run in ids}
    left_out = 0
    for case in cases:
        rng = stream(case, "damage")
        store = folder / str(case)
        shutil.copytree(made_store, store)
        chosen = rng.integers(len(DAMAGES), size=int(rng.integers(1, 4)))
        what = "; ".join(DAMAGES[int(one)](store, rng) for one in chosen)
        left_out += check(store, whole, f"case {case}: {what}")
        shutil.rmtree(store)
    return left_out


def test_twenty_stores_damaged_at_random(made_store: Path, tmp_path: Path) -> None:
    assert damage_many(made_store, tmp_path, range(20)) > 20


@pytest.mark.slow
def test_a_hundred_more_stores_damaged_at_random(made_store: Path, tmp_path: Path) -> None:
    assert damage_many(made_store, tmp_path, range(20, 120)) > 100
