"""A run taken over from a silent worker: copied as far as it is whole, to go on from there."""

import shutil
import tempfile
from pathlib import Path

from fedbytes.experiments.store.attempts.attempt_folders import attempt_folder, attempt_folders
from fedbytes.experiments.store.damage import find_damage
from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.experiments.store.sealed_json import ROOM
from fedbytes.experiments.store.tries import note_end
from fedbytes.process.disk_errors import explained_disk_errors

_LOOKS = 5  # at a folder that somebody may still write to
_LEFT = ("attempt-*", "lease-*", ".*")


def take_over(root: Path, number: int, silent: str) -> Path:
    """Return the folder of a new attempt, with a copy of the newest one that is whole.

    It appears whole or not at all, so that until then the attempt before counts.

    Args:
        root: the run's own folder.
        number: of the lease under which the run is taken over.
        silent: what is said of the end of the worker before.

    Raises:
        DiskError: if the disk is full or may not be written.
    """
    target = attempt_folder(root, number)
    with explained_disk_errors(target, ROOM):
        staging = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=root))
        try:
            copy = staging / "copy"
            if not any(_copy(old, copy) for old in reversed(attempt_folders(root).values())):
                copy.mkdir()
            note_end(RunFolder(root.parent, root.name, copy), silent)
            copy.rename(target)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return target


def _copy(old: Path, copy: Path) -> bool:
    """Copy an attempt; return whether the copy is whole, and leave none that is not."""
    for _ in range(_LOOKS):
        try:
            shutil.copytree(old, copy, ignore=shutil.ignore_patterns(*_LEFT))
        except (shutil.Error, FileNotFoundError):
            pass  # a file was replaced meanwhile
        else:
            if not find_damage(RunFolder(old.parent, old.name, copy)):
                return True
        shutil.rmtree(copy, ignore_errors=True)
    return False
