"""Finds what is missing, cut or altered in a stored run, from what the run put down of itself."""

import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.experiments.store.ledger_files import check_ledger, read_ledger
from fedbytes.experiments.store.many_clients.holdings import read_holdings
from fedbytes.experiments.store.old_checkpoint import saved_round
from fedbytes.experiments.store.per_text.right_answers import RIGHT_FILE, unpack_right
from fedbytes.experiments.store.row_files import ROW_FILES, JsonRow, check_sum, read_json_lines
from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.experiments.store.saved_sums import check_saved, read_saved
from fedbytes.experiments.store.sealed_json import DamageError, read_sealed
from fedbytes.process.one_line_warning import OneLineWarning

_ID = re.compile(r"[0-9a-f]{16}")
REMEDY = "restore it from a copy, or make the run anew with --remake"


class DamagedRunWarning(OneLineWarning):
    """A run, or a store's suite.json, is damaged and left out; one line with file and remedy."""


def find_damage(run: RunFolder) -> str:
    """Return what is missing, cut or altered in a run's folder, in a few words; empty if nothing.

    A run from before digests is checked by what it has: totals, and the rounds that it must have.
    """
    for _ in range(2):  # a run in progress may have written between two of our looks
        try:
            _check(run)
        except DamageError as error:
            found = str(error)
        except OSError as error:
            name = Path(str(error.filename or run.path)).name
            found = f"{name} cannot be read ({error.strerror or error})"
        except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            found = f"config.yaml or another file is altered ({type(error).__name__}: {error})"
        else:
            return ""
    return found


def place_of(run: RunFolder, damage: str) -> str:
    """Return what is damaged, and in which folder."""
    return f"{damage} in {run.path}"


def warn_of(run: RunFolder, damage: str) -> None:
    """Warn, in one line, that a run is left out."""
    warnings.warn(
        f"run {run.run} is left out: {place_of(run, damage)}; {REMEDY}",
        DamagedRunWarning,
        stacklevel=4,
    )


def _check(run: RunFolder) -> None:
    settings = run.settings()
    _check_identity(run, settings)
    if (run.path / "done").exists():
        _check_finished(run, settings)
        return
    if (run.path / "summary.json").exists() and not run.checkpoints.exists():
        raise DamageError("done is missing")
    if (run.path / "error.json").exists():
        read_sealed(run.path / "error.json")
    _check_unfinished(run, settings)


def _check_identity(run: RunFolder, settings: dict[str, Any]) -> None:
    """Check a configuration against the id that its folder has for a name."""
    for key in ("suite", "task", "model", "adapter", "algorithm", "uplink", "downlink", "seed"):
        if key not in settings:
            raise DamageError(f"config.yaml is cut ({key} is missing)")
    found = config_id(settings)
    if found and found != run.run and _ID.fullmatch(run.run):
        raise DamageError(f"config.yaml is altered (it is that of run {found})")


def config_id(settings: dict[str, Any]) -> str:
    """Return the id of the run that has these settings; empty if this version cannot tell."""
    try:
        return RunConfig(**settings).id
    except (ValueError, TypeError):
        return ""


def _check_finished(run: RunFolder, settings: dict[str, Any]) -> None:
    summary = read_sealed(run.path / "summary.json")
    run.provenance()
    read_holdings(run.path)
    whole = run.path / "ledger.parquet"
    if "files" not in summary:
        _check_by_totals(run, settings, summary)
        return
    files = summary["files"]
    for name in (*ROW_FILES, whole.name):
        if name in files:
            check_sum(run.path / name, files[name], whole=True)
        elif (run.path / name).exists():
            raise DamageError(f"{name} is not the run's (its summary does not know it)")
    read_ledger([whole])


def _check_by_totals(run: RunFolder, settings: dict[str, Any], summary: dict[str, Any]) -> None:
    """Check a finished run from before digests."""
    last = int(summary["rounds"])
    rows = _check_rows(run, settings, last, whole=True)
    for key in ("up_bytes", "down_bytes", "total_bytes"):
        if key in summary and rows[-1].get(key) != summary[key]:
            raise DamageError(
                f"rounds.jsonl or summary.json is altered ({rows[-1].get(key)} and "
                f"{summary[key]} {key})"
            )
    path = run.path / "ledger.parquet"
    check_ledger(path, read_ledger([path]), summary, last)


def _check_unfinished(run: RunFolder, settings: dict[str, Any]) -> None:
    saved = read_saved(run)
    begun = bool(saved) or run.state.exists() or (run.path / "rounds.jsonl").exists()
    if begun:
        read_sealed(run.path / "provenance.json")
        read_holdings(run.path)
    if saved:
        check_saved(run, saved[0])
    parts = run.ledger_parts()
    table = read_ledger(parts) if parts else None
    rounds = max(table["round"].to_pylist(), default=0) if table is not None else 0
    if not saved and (known := saved_round(run.state)) is not None and known > rounds:
        raise DamageError(f"the ledger has no rows of round {known}")
    rows = _check_rows(run, settings, rounds, whole=False)
    if not parts and any(row["round"] > int(settings.get("checkpoint_every", 1)) for row in rows):
        raise DamageError("the checkpoint and the ledger's parts are missing")
    if table is not None and rows:
        by_round = [row for row in rows if row["round"] == rounds]
        check_ledger(parts[-1], table, by_round[-1] if by_round else {}, rounds)


def _check_rows(run: RunFolder, settings: dict[str, Any], last: int, whole: bool) -> list[JsonRow]:
    """Check that the rows of every round up to `last` are there; return those of evaluated ones."""
    rows = read_json_lines(run.path / "rounds.jsonl", whole)
    every, rounds = int(settings.get("evaluate_every", 1)), int(settings.get("rounds", 0))
    wanted = [r for r in range(1, last + 1) if r % every == 0 or r == rounds]
    if settings.get("evaluate_start") and last:
        wanted = [0, *wanted]
    _check_sequence("rounds.jsonl", rows, wanted)
    deltas = read_json_lines(run.path / "deltas.jsonl", whole)
    if (run.path / "deltas.jsonl").exists() or any("delta_cosine" in row for row in rows):
        _check_sequence("deltas.jsonl", deltas, range(1, last + 1))
    cleaned = {row["round"] for row in read_json_lines(run.path / "cleaned.jsonl", whole)}
    if settings.get("clean") and (missing := set(range(1, last + 1)) - cleaned):
        raise DamageError(f"cleaned.jsonl is cut (no row of round {min(missing)})")
    read_json_lines(run.path / "audits.jsonl", whole)
    for row in read_json_lines(run.path / RIGHT_FILE, whole):
        unpack_right(row)
    if settings.get("evaluate_clients"):
        seen = {row["round"] for row in read_json_lines(run.path / "clients.jsonl", whole)}
        if missing := set(wanted) - seen:
            raise DamageError(f"clients.jsonl is cut (no row of round {min(missing)})")
        read_json_lines(run.path / "reports.jsonl", whole)
    return rows


def _check_sequence(name: str, rows: list[JsonRow], wanted: Iterable[int]) -> None:
    found = [row["round"] for row in rows]
    expected = list(wanted)
    missing = [round_ for round_ in expected if round_ not in set(found)]
    if missing:
        raise DamageError(f"{name} is cut (no row of round {missing[0]})")
    if found != sorted(set(found)):
        raise DamageError(f"{name} is altered (its rounds are not in order)")


def looks_like_a_run(folder: Path) -> bool:
    """Return whether a folder without a config.yaml has other files of a run."""
    names = ("provenance.json", "rounds.jsonl", "ledger.parquet", "summary.json", "done")
    return sum((folder / name).exists() for name in names) > 1
