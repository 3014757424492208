"""A run taken over from a silent worker: copied as far as it is whole, to go on from there."""

import errno
import re
import shutil
import tempfile
import time
from pathlib import Path

from fedbytes.experiments.store.attempts.attempt_folders import attempt_folder, attempt_folders
from fedbytes.experiments.store.damage import find_damage
from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.experiments.store.sealed_json import ROOM
from fedbytes.experiments.store.tries import note_end
from fedbytes.process.disk_errors import explained_disk_errors
from fedbytes.process.leases.lease import HeldError

_PAUSES = (0.0, 0.1, 0.3, 0.6, 1.0)
"""Seconds before each look at a folder that somebody may still write to."""
_LEFT = ("attempt-*", "lease-*", ".*")
_GONE = (errno.ENOENT, errno.ESTALE)  # of a file that was replaced meanwhile
_NUMBER = re.compile(r"\[Errno (\d+)\] ([^:]*)")


def take_over(root: Path, number: int, silent: str) -> tuple[Path, str]:
    """Return the folder of a new attempt, with a copy of the newest one that is whole.

    It appears whole or not at all, so that until then the attempt before counts.

    Args:
        root: the run's own folder.
        number: of the lease under which the run is taken over.
        silent: what is said of the end of the worker before.

    Returns:
        the folder, and why it is empty where nothing that was saved is whole.

    Raises:
        HeldError: if the silent worker is awake, and writes faster than can be copied.
        DiskError: if the disk is full or may not be written.
        OSError: if what is to be copied cannot be read.
    """
    target = attempt_folder(root, number)
    with explained_disk_errors(target, ROOM):
        staging = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=root))
        try:
            copy, anew = staging / "copy", ""
            for old in reversed(attempt_folders(root).values()):
                damage = _copy(old, copy)
                if damage is None:
                    anew = ""
                    break
                anew = anew or damage
            else:
                copy.mkdir()
            note_end(RunFolder(root.parent, root.name, copy), silent)
            copy.rename(target)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return target, anew


def _copy(old: Path, copy: Path) -> str | None:
    """Copy an attempt; return None, or what is damaged of it, and leave no copy then.

    Nothing that was saved is given up but what its own digests call damaged; the answer is empty
    where nothing was.
    """
    run = RunFolder(old.parent, old.name, old)
    for pause in _PAUSES if run.is_begun else _PAUSES[:1]:
        time.sleep(pause)
        try:
            shutil.copytree(old, copy, ignore=shutil.ignore_patterns(*_LEFT))
        except FileNotFoundError:
            pass
        except shutil.Error as error:
            _raise_if_unreadable(error)
        else:
            if not find_damage(RunFolder(old.parent, old.name, copy)):
                return None
        shutil.rmtree(copy, ignore_errors=True)
    if not run.is_begun:
        return ""
    damage = find_damage(run)
    if not damage:
        raise HeldError(f"{old.name} is still being written by a worker that was silent")
    return damage


def _raise_if_unreadable(error: shutil.Error) -> None:
    """Raise what copying met, unless files were replaced meanwhile; `copytree` has it in words."""
    for _, where, why in error.args[0]:
        found = _NUMBER.match(str(why))
        if found is None:
            raise error
        if int(found[1]) not in _GONE:
            raise OSError(int(found[1]), found[2], str(where)) from error
