"""Finds the runs below a folder, of which stores that were merged may hold several copies."""

import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fedbytes.experiments.store.attempts.attempt_folders import attempt_folders, run_of_attempt
from fedbytes.experiments.store.attempts.files_below import files_below
from fedbytes.experiments.store.damage import (
    config_id,
    find_damage,
    looks_like_a_run,
    warn_of,
)
from fedbytes.experiments.store.ledger_files import read_ledger
from fedbytes.experiments.store.per_text.right_answers import RIGHT_FILE
from fedbytes.experiments.store.row_files import ROW_FILES, read_json_lines
from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.experiments.store.sealed_json import DamageError
from fedbytes.process.near_paths import hint_at_near_path

_NO_STORE = "; `fedbytes sweep` creates one"


class StoreConflictError(ValueError):
    """Two copies of a run have different numbers; one line that names both folders."""


def run_folders(folder: str | Path) -> list[RunFolder]:
    """Return every run below `folder`, at any depth, in the order of their ids.

    Of copies of a run the finished one is returned; of unfinished ones that which got furthest.

    Raises:
        ValueError: if the folder does not exist.
        StoreConflictError: if two copies of a run disagree.
    """
    return [run for run, _ in checked_runs(folder)]


def sound_runs(folder: str | Path) -> list[RunFolder]:
    """Return the runs below `folder` that are whole, and warn of each that is damaged.

    Raises:
        ValueError: as `run_folders`.
    """
    sound = []
    for run, damage in checked_runs(folder):
        if damage:
            warn_of(run, damage)
        else:
            sound.append(run)
    return sound


def checked_runs(
    folder: str | Path, find: Callable[[RunFolder], str] = find_damage
) -> list[tuple[RunFolder, str]]:
    """Return every run below `folder` with what is damaged of it; empty if nothing is.

    Args:
        folder: where to look.
        find: what finds damage.

    Raises:
        ValueError: as `run_folders`.
    """
    root = Path(folder)
    if not root.is_dir():
        near = hint_at_near_path(root, folder=True)
        raise ValueError(f"there is no folder {str(root)!r}{near or _NO_STORE}")
    copies: dict[str, list[tuple[RunFolder, str]]] = defaultdict(list)
    for path in _folders_of_runs(root):
        run, damage = _open_newest(path, find)
        copies[run.run].append((run, damage))
    return [_choose(found) for _, found in sorted(copies.items())]


def _folders_of_runs(root: Path) -> list[Path]:
    """Return the folders of runs, and those that lost their configuration; attempts are inside."""
    found = files_below(root, ("config.yaml", "provenance.json", "summary.json", "rounds.jsonl"))
    named = {
        path.parent for path in found if path.name == "config.yaml" or looks_like_a_run(path.parent)
    }
    return sorted({run_of_attempt(path) for path in named})


def _open_newest(path: Path, find: Callable[[RunFolder], str]) -> tuple[RunFolder, str]:
    """Return a run as its newest attempt has it that is whole, and what is damaged of it."""
    newest: tuple[RunFolder, str] | None = None
    for folder in reversed(attempt_folders(path).values()):
        run = _open(folder)
        damage = find(run)
        if not damage:
            return run, damage
        newest = newest or (run, damage)
    assert newest is not None  # the run's own folder is one
    return newest


def _open(path: Path) -> RunFolder:
    """Return the run in a folder, which may have been given another name than the run's id."""
    root = run_of_attempt(path)
    run = RunFolder(root.parent, root.name, path)
    try:
        found = config_id(run.settings())
    except DamageError:
        found = ""
    is_id = len(root.name) == 16 and not root.name.strip("0123456789abcdef")
    return run if is_id or not found else RunFolder(root.parent, found, path)


def _choose(copies: list[tuple[RunFolder, str]]) -> tuple[RunFolder, str]:
    """Return the copy of a run that its tables are read from."""
    if len(copies) == 1:
        return copies[0]
    sound = [run for run, damage in copies if not damage]
    for run, damage in copies:
        if damage and sound:
            warn_of(run, damage)
    if not sound:
        return copies[0]
    finished = [run for run in sound if run.status == "done"]
    chosen = finished or sorted(sound, key=_progress, reverse=True)
    for other in chosen[1:]:
        if not _agree(chosen[0], other, whole=bool(finished)):
            raise StoreConflictError(
                f"{chosen[0].path} and {other.path} are copies of run {chosen[0].run} with "
                "different numbers: remove the one that is not wanted"
            )
    return chosen[0], ""


def _progress(run: RunFolder) -> int:
    return max((row["round"] for row in read_json_lines(run.path / "rounds.jsonl")), default=-1)


def _agree(one: RunFolder, other: RunFolder, whole: bool) -> bool:
    """Return whether two copies have the same numbers, seconds left out.

    Args:
        one: a copy.
        other: another one.
        whole: whether rows that only one has matter; unfinished copies got equally far or not.
    """
    for name in ROW_FILES:
        a, b = _numbers(one, name), _numbers(other, name)
        if name == RIGHT_FILE:  # old versions wrote none; a protocol says how many evaluations
            left, right = ({json.loads(row)["round"]: row for row in rows} for rows in (a, b))
            if any(left[round_] != right[round_] for round_ in left.keys() & right.keys()):
                return False
            continue
        if (a != b) if whole else any(x != y for x, y in zip(a, b, strict=False)):
            return False
    return not whole or _ledger(one) == _ledger(other)


def _numbers(run: RunFolder, name: str) -> list[str]:
    rows = read_json_lines(run.path / name)
    return [json.dumps({k: v for k, v in row.items() if k != "seconds"}) for row in rows]


def _ledger(run: RunFolder) -> Any:
    table = read_ledger([run.path / "ledger.parquet"])
    kept = [name for name in table.column_names if not name.endswith("_seconds")]
    return table.select(kept)
