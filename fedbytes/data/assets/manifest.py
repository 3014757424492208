"""Cached folders that are written atomically, with a manifest of their files."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MANIFEST = "manifest.json"


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
    partial = folder / f".{MANIFEST}.{os.getpid()}"
    partial.write_text(json.dumps(entries, indent=1))
    partial.replace(folder / MANIFEST)
