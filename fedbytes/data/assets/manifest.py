"""Cached folders that are written atomically, with a manifest of their files."""

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fedbytes.process.disk_errors import disk_reason, replaced_file
from fedbytes.process.file_digests import sha256_of as sha256_of

MANIFEST = "manifest.json"


@contextmanager
def staged_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder next to `target`, and rename it to `target` after the block.

    If the block fails, the folder is removed. The caller has the lock of `target`, so incomplete
    folders of earlier processes are removed too.
    """
    partial = f".partial-{target.name}-"
    for leftover in target.parent.glob(f"{partial}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    staging = Path(tempfile.mkdtemp(prefix=partial, dir=target.parent))
    try:
        yield staging
        staging.chmod(0o755)
        for path in staging.iterdir():
            path.chmod(0o644)
        write_manifest(staging)
        shutil.rmtree(target, ignore_errors=True)
        staging.rename(target)
    except Exception as error:
        if isinstance(error, OSError) or disk_reason(error) is None:
            raise
        raise OSError(errno.ENOSPC, disk_reason(error)) from error  # of a library's own kind
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def write_manifest(folder: Path) -> None:
    """Record size, modification time and SHA-256 of every file in `folder`.

    The manifest is written last and renamed into place: a folder without one is incomplete.
    """
    entries = {path.name: _entry(path) for path in sorted(folder.iterdir()) if path.is_file()}
    entries.pop(MANIFEST, None)
    _write_entries(folder, entries)


def is_whole(folder: Path, full: bool = False) -> bool:
    """Return whether the files in `folder` match its manifest.

    A file of the recorded size and modification time counts as unchanged; one of another time is
    hashed again. With `full`, every file is.
    """
    try:
        entries = json.loads((folder / MANIFEST).read_text())
        touched = False
        for name, entry in entries.items():
            stat = (folder / name).stat()
            if stat.st_size != entry["size"]:
                return False
            changed = stat.st_mtime_ns != entry["mtime_ns"]
            if (full or changed) and sha256_of(folder / name) != entry["sha256"]:
                return False
            entry["mtime_ns"] = stat.st_mtime_ns
            touched |= changed
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    if touched and os.access(folder, os.W_OK):
        _write_entries(folder, entries)
    return bool(entries)


def _entry(path: Path) -> dict[str, object]:
    stat = path.stat()
    return {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "sha256": sha256_of(path)}


def _write_entries(folder: Path, entries: dict[str, dict[str, object]]) -> None:
    with replaced_file(folder / MANIFEST, "free some space") as partial:
        partial.write_text(json.dumps(entries, indent=1))
