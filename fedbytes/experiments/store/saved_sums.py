"""What stands beside a checkpoint: digests of it and of all that was written up to it."""

from pathlib import Path
from typing import Any

from fedbytes.experiments.store.ledger_files import parts_digest, round_of
from fedbytes.experiments.store.many_clients.client_files import read_client_files
from fedbytes.experiments.store.row_files import check_sum
from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.experiments.store.sealed_json import DamageError, read_sealed, write_sealed
from fedbytes.process.file_digests import sha256_of

Saved = dict[str, Any]
"""Of one checkpoint: its `round`, its `sha256`, and sums of rows and of the ledger."""
_NAME = "state.json"
_NO_FILES: Saved = {"parts": 0, "first": "", "sha256": ""}


def read_saved(folder: RunFolder) -> list[Saved]:
    """Return what was put down of the newest checkpoint and of the one before it, newest first.

    Empty for a checkpoint from before digests.

    Raises:
        DamageError: if it is cut or altered.
    """
    path = folder.checkpoints / _NAME
    return list(read_sealed(path, sealed=True)["saved"]) if path.exists() else []


def put_down(folder: RunFolder, round_: int, totals: dict[str, int]) -> None:
    """Put down the checkpoint that is about to take the place of the one before.

    A kill between this and the renaming leaves the one before, which stays among what is known.

    Args:
        folder: its run; the new state is in `new_state`.
        round_: after which it was taken.
        totals: message bytes of both directions so far.
    """
    before = read_saved(folder)[:1]
    known: Saved = before[0]["ledger"] if before else {"parts": 0, "sha256": ""}
    parts = folder.ledger_parts()
    digest = parts_digest(parts[known["parts"] :], known["sha256"])
    clients: Saved = before[0].get("clients", _NO_FILES) if before else _NO_FILES
    newest = {
        "round": round_,
        "sha256": sha256_of(new_state(folder)),
        "clients": _sum_of_files(read_client_files(folder, round_), clients),
        "files": folder.sums(),
        "ledger": {"parts": len(parts), "sha256": digest, **totals},
    }
    write_sealed(folder.checkpoints / _NAME, {"saved": [newest, *before]})


def new_state(folder: RunFolder) -> Path:
    """Return the path of a state that is whole and not yet the checkpoint."""
    return folder.state.with_name("new-state.pt")


def current_checkpoint(folder: RunFolder) -> Saved | None:
    """Return what was put down of the checkpoint that is here, None if nothing was.

    A newer state that a kill has left beside it takes its place.

    Raises:
        DamageError: if the checkpoint is missing, cut or altered.
    """
    saved = read_saved(folder)
    if not saved:
        return None
    for path in (new_state(folder), folder.state):
        digest = sha256_of(path) if path.exists() else None
        for one in saved:
            if one["sha256"] == digest:
                path.replace(folder.state)
                new_state(folder).unlink(missing_ok=True)
                write_sealed(folder.checkpoints / _NAME, {"saved": [one]})
                return one
    gone = "cut or altered (its digest is another)" if folder.state.exists() else "missing"
    raise DamageError(f"{folder.state.name} is {gone}")


def check_clients(folder: RunFolder, one: Saved) -> list[Path]:
    """Return the files of a checkpoint with what is kept of clients, none before there were any.

    Raises:
        DamageError: if one is missing, cut or altered.
    """
    if "clients" not in one:
        return []
    files = _client_files(folder, one)
    if _sum_of_files(files, _NO_FILES) != one["clients"]:
        raise DamageError(f"{folder.checkpoints.name}/clients-*.bin is cut or altered")
    return files


def _client_files(folder: RunFolder, one: Saved) -> list[Path]:
    files, known = read_client_files(folder, one["round"]), one["clients"]
    if len(files) != known["parts"]:
        raise DamageError(f"there are {len(files)} of {known['parts']} clients-*.bin")
    return files


def _sum_of_files(files: list[Path], before: Saved) -> Saved:
    """Return how many files a checkpoint has and their digest, going on from the one before it."""
    goes_on = before["parts"] and len(files) >= before["parts"] and before["first"] == files[0].name
    known = before if goes_on else _NO_FILES
    digest = parts_digest(files[known["parts"] :], known["sha256"])
    return {"parts": len(files), "first": files[0].name if files else "", "sha256": digest}


def check_saved(folder: RunFolder, one: Saved) -> None:
    """Check rows and ledger of a run in progress against what was put down of a checkpoint.

    Raises:
        DamageError: if a file is missing, cut or altered.
    """
    for name, known in one["files"].items():
        check_sum(folder.path / name, known, whole=False)
    if "clients" in one:
        _client_files(folder, one)
    ledger = one["ledger"]
    parts = [path for path in folder.ledger_parts() if round_of(path) <= one["round"]]
    if len(parts) != ledger["parts"]:
        raise DamageError(f"the ledger has {len(parts)} of {ledger['parts']} parts")
    if parts_digest(parts) != ledger["sha256"]:
        raise DamageError(f"{folder.checkpoints.name}/ledger-*.parquet is altered")
