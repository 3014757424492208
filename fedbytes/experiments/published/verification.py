"""Checks a submission: its files, ids and sums, and if asked one run made again."""

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from fedbytes.experiments.config.run_config import make_config
from fedbytes.experiments.execution.runner import run as make_run
from fedbytes.experiments.published.comparison import Compared, compare_runs
from fedbytes.experiments.published.run_record import (
    RunRecord,
    measured_rows,
    read_records,
    read_rows,
)
from fedbytes.experiments.published.submission import (
    BYTES,
    CARD,
    CONFIGS,
    DIGESTS,
    FILES,
    PROVENANCE,
    ROUNDS,
    digests_in,
    seal_of,
)
from fedbytes.experiments.published.tolerance import TestSizes
from fedbytes.experiments.store.damage import config_id

_NEEDED = (CARD, CONFIGS, ROUNDS, BYTES, PROVENANCE, DIGESTS)
_CARD_KEYS = ("name", "title", "authors", "suite", "runs", "files", "created")


@dataclass(frozen=True, eq=False)
class Submission:
    """A submission whose files, ids and sums hold.

    Attributes:
        folder: where it is.
        card: who submitted what.
        configs: the runs' configurations, by id.
        rows: one per run and evaluated round.
        provenance: what each run was made from, by id.
    """

    folder: Path
    card: Mapping[str, Any]
    configs: Mapping[str, dict[str, Any]]
    rows: pd.DataFrame
    provenance: Mapping[str, dict[str, Any]]


def verify_submission(folder: str | Path) -> Submission:
    """Return a submission after checking its files, digests, ids, rows and bytes.

    Raises:
        ValueError: one line that names the file and what is wrong with it.
    """
    root = Path(folder)
    missing = [name for name in _NEEDED if not (root / name).is_file()]
    if missing:
        raise ValueError(f"{root} lacks {', '.join(missing)}; `fedbytes submit` writes them")
    _check_digests(root)
    card = _json(root / CARD)
    lacking = [key for key in _CARD_KEYS if key not in card]
    if lacking:
        raise ValueError(f"{root / CARD} lacks {', '.join(lacking)}")
    if card["name"] != root.resolve().name:
        raise ValueError(f"{root} is called {card['name']!r} by its card: give both one name")
    configs = {key: dict(value) for key, value in _by_run(root / CONFIGS, "config").items()}
    provenance = _by_run(root / PROVENANCE, "provenance")
    rows = read_rows(root / ROUNDS)
    _check_runs(root, card, configs, provenance, rows)
    _check_bytes(root, rows)
    return Submission(root, card, configs, rows, provenance)


def make_again(found: Submission, run: str | None = None) -> Compared:
    """Make one run of a submission again, and compare it.

    Args:
        found: a verified submission.
        run: an id; by default the one that the submission's digest points at, which its authors
            could not choose.

    Raises:
        ValueError: if it has no such run, or the run cannot be made here.
    """
    ids = sorted(found.configs)
    chosen = run or ids[int(seal_of(found.folder), 16) % len(ids)]
    if chosen not in found.configs:
        raise ValueError(f"{found.folder} has no run {chosen!r}; it has {', '.join(ids[:3])} …")
    settings = _with_own_files(found, found.configs[chosen])
    with tempfile.TemporaryDirectory() as store, _plain_paths(found.folder):
        folder = make_run(make_config(settings), store)
        made = read_records(store)[folder.run]
    there = RunRecord(
        chosen,
        measured_rows(found.rows[found.rows["run"] == chosen]),
        settings=found.configs[chosen],
        provenance=found.provenance[chosen],
        sizes=TestSizes.of(found.provenance[chosen]),
    )
    return compare_runs(there, made)


def _check_digests(root: Path) -> None:
    told, there = _json(root / DIGESTS), digests_in(root)
    for name in sorted(told.keys() | there.keys()):
        if name not in there:
            raise ValueError(f"{root / name} is missing")
        if name not in told:
            raise ValueError(f"{root / name} is not among the digests: submit the store anew")
        if told[name] != there[name]:
            raise ValueError(f"{root / name} is altered (its digest is another)")


def _check_runs(
    root: Path,
    card: Mapping[str, Any],
    configs: Mapping[str, Any],
    provenance: Mapping[str, Any],
    rows: pd.DataFrame,
) -> None:
    listed = {"rows": set(rows["run"]), "provenance": set(provenance)}
    for what, runs in listed.items():
        if different := runs ^ configs.keys():
            raise ValueError(f"{root}: configurations and {what} differ in run {min(different)}")
    if len(configs) != card["runs"]:
        raise ValueError(f"{root}: the card says {card['runs']} runs, there are {len(configs)}")
    for run, settings in configs.items():
        found = config_id(settings)
        if found != run:
            what = f"that of run {found}" if found else "refused by this version of fedbytes"
            raise ValueError(f"{root / CONFIGS}: the configuration of run {run} is {what}")
        if provenance[run].get("dirty"):
            raise ValueError(f"{root / PROVENANCE}: run {run} is from uncommitted code")
        own = rows[rows["run"] == run]
        if own["round"].max() != settings["rounds"] or own["seed"].unique() != [settings["seed"]]:
            raise ValueError(f"{root / ROUNDS}: run {run} is not whole, or of another seed")


def _check_bytes(root: Path, rows: pd.DataFrame) -> None:
    """Check that messages by kind add up to the bytes on the axis."""
    kinds = pd.read_csv(root / BYTES, dtype={"run": str})
    sums = kinds.groupby(["run", "direction"])["message_bytes"].sum().to_dict()
    last = rows.loc[rows.groupby("run")["round"].idxmax()].set_index("run")
    for run, row in last.iterrows():
        for direction in ("up", "down"):
            told, there = int(row[f"{direction}_bytes"]), int(sums.get((run, direction), 0))
            if told != there:
                raise ValueError(
                    f"{root}: run {run} has {told} {direction}_bytes in {ROUNDS} and {there} in "
                    f"{BYTES}"
                )
        if row["up_bytes"] + row["down_bytes"] != row["total_bytes"]:
            raise ValueError(f"{root / ROUNDS}: the bytes of run {run} do not add up")


def _with_own_files(found: Submission, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration that reads the submission's copies of its authors' files."""
    own = {path: str(Path(FILES) / name) for path, name in found.card["files"].items()}

    def moved(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: moved(one) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [moved(one) for one in value]
        return own.get(value, value) if isinstance(value, str) else value

    return dict(moved(settings))


@contextmanager
def _plain_paths(folder: Path) -> Iterator[None]:
    """Stand in a submission's folder, which the paths of its files begin at."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path} is no JSON object")
    return found


def _by_run(path: Path, key: str) -> dict[str, Any]:
    found = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            row = json.loads(line)
            found[str(row["run"])] = row[key]
        except (ValueError, KeyError, TypeError):
            raise ValueError(f"{path}: line {number} has no run and {key}") from None
    return found
