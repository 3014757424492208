"""SHA-256 of files, computed again only when a file's size, time or inode has changed."""

import hashlib
import json
import os
import time
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from fedbytes.process.disk_errors import replaced_file
from fedbytes.process.user_cache import home

_MOST = 20_000
"""Files that are remembered."""
_SETTLED_NS = 2_000_000_000
"""Nanoseconds after its last change from which a file's time tells a later change."""


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class FileDigests:
    """The digests of files, remembered in a file of the user's cache folder.

    A cache that cannot be read or written is done without.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known = self._read()
        self._added: dict[str, list[Any]] = {}

    def _read(self) -> dict[str, list[Any]]:
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def digest(self, path: Path) -> str | None:
        """Return the SHA-256 of a file in hex, None if there is no such file to be read."""
        try:
            with path.open("rb") as file:
                stat = os.fstat(file.fileno())
                signature = [stat.st_size, stat.st_mtime_ns, stat.st_ino, stat.st_ctime_ns]
                key = str(path.resolve())
                known = self._known.get(key)
                if isinstance(known, list) and known[:-1] == signature:
                    return str(known[-1])
                found = hashlib.file_digest(file, "sha256").hexdigest()
                now = os.fstat(file.fileno())
        except OSError:
            return None
        if _is_settled(stat, now):
            self._known[key] = self._added[key] = [*signature, found]
        return found

    def save(self) -> None:
        """Write the digests that were added since they were read."""
        if not self._added:
            return
        known = self._read()  # other processes write to it as well
        kept = {key: v for key, v in known.items() if key not in self._added} | self._added
        self._added = {}
        with suppress(OSError, ValueError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with replaced_file(self._path, "") as part:
                part.write_text(json.dumps(dict(list(kept.items())[-_MOST:])), encoding="utf-8")


def file_digests() -> FileDigests:
    """Return the digests that this process shares."""
    return _shared(home() / "digests" / "files.json")


@lru_cache(maxsize=4)
def _shared(path: Path) -> FileDigests:
    return FileDigests(path)


def _is_settled(before: os.stat_result, after: os.stat_result) -> bool:
    """Return whether a later change of the file will show: its clock ticks may be coarse."""
    same = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
    return same and time.time_ns() - before.st_mtime_ns > _SETTLED_NS
