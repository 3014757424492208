"""Checkpoints: a run resumes from one and ends as if it had never been interrupted."""

import zipfile
import zlib
from pathlib import Path
from typing import Any

from fedbytes.experiments.store.ledger_files import check_ledger, read_ledger, round_of
from fedbytes.experiments.store.many_clients.client_files import (
    drop_outdated,
    has_everything,
    new_client_file,
)
from fedbytes.experiments.store.many_clients.holdings import read_holdings
from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.experiments.store.saved_sums import (
    check_clients,
    check_saved,
    current_checkpoint,
    new_state,
    put_down,
)
from fedbytes.experiments.store.sealed_json import ROOM, DamageError, read_sealed
from fedbytes.federated.protocol.ledger import Ledger
from fedbytes.federated.state import DamagedStateError, State
from fedbytes.process.disk_errors import explained_disk_errors


def save_checkpoint(folder: RunFolder, state: State, ledger: Ledger, extra: dict[str, Any]) -> None:
    """Write the ledger's newest rows, then the state that they led to.

    Raises:
        DiskError: if the disk is full or may not be written.
    """
    folder.append_ledger(state.round, ledger.take())
    path = new_state(folder)
    with explained_disk_errors(folder.state, ROOM):
        try:
            beside = new_client_file(folder, state.round, state.live_bytes)
            saved = extra | {"bytes": ledger.totals}
            state.save(path, saved, beside, everything=has_everything(beside))
            put_down(folder, state.round, ledger.totals)
            path.replace(folder.state)
            drop_outdated(folder, state.round)
        except BaseException:
            path.unlink(missing_ok=True)
            raise


def load_checkpoint(folder: RunFolder) -> tuple[State | None, dict[str, Any], str]:
    """Return the newest state and its extras, and discard everything written after it.

    Without a checkpoint, or with a damaged one, everything except the configuration is discarded.

    Returns:
        the state, its extras, and what was damaged (empty if nothing was).
    """
    damage = ""
    try:
        saved = current_checkpoint(folder)
        if folder.state.exists():
            read_sealed(folder.path / "provenance.json")
            read_holdings(folder.path)
            if saved is None:
                _check_archive(folder.state)
            files = [] if saved is None else check_clients(folder, saved)
            state, extra = State.load(folder.state, files)
            if saved is None:
                _check_parts(folder, state.round, extra.get("bytes", {}))
            else:
                check_saved(folder, saved)
            folder.rewind(state.round)
            drop_outdated(folder, state.round)
            return state, extra, ""
        if (folder.path / "summary.json").exists() and not folder.checkpoints.exists():
            damage = "done is missing"
    except (DamageError, DamagedStateError) as error:
        damage = str(error)
    folder.clear()
    return None, {}, damage


def _check_archive(path: Path) -> None:
    """Check the sums that a saved state has as an archive: of a checkpoint from before digests."""
    try:
        with zipfile.ZipFile(path) as archive:
            bad = archive.testzip()
    except (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error):
        bad = path.name
    if bad:
        raise DamageError(f"{path.name} is cut or altered")


def _check_parts(folder: RunFolder, round_: int, totals: dict[str, Any]) -> None:
    """Check the ledger of a run from before digests, as far as it goes."""
    parts = [path for path in folder.ledger_parts() if round_of(path) <= round_]
    if not parts:
        raise DamageError("the ledger's parts are missing")
    check_ledger(parts[-1], read_ledger(parts), totals, round_)
