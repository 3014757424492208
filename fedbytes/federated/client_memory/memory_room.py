"""How much memory clients' states may take, and the folder that the rest of them goes to."""

import os
import shutil
import tempfile
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from fedbytes.federated.client_memory.segments import Place
from fedbytes.process.disk_errors import explained_disk_errors

SETTING = "FEDBYTES_CLIENT_MEMORY_BYTES"
_DEFAULT_BYTES = 4 << 30


def memory_limit() -> int:
    """Return the bytes of memory that clients' states may take, 4 GiB unless set.

    Raises:
        ValueError: if the setting is not a number of bytes.
    """
    given = os.environ.get(SETTING, str(_DEFAULT_BYTES))
    try:
        limit = int(float(given))
    except (ValueError, OverflowError):
        limit = -1
    if limit < 0:
        raise ValueError(f"{SETTING} must be a number of bytes such as 2e9, got {given!r}")
    return limit


class MovableParts(Protocol):
    """Something whose parts can be put on disk."""

    bytes_held: int

    def put_away(self, place: Callable[[str, bytes], Place]) -> bool:
        """Put what was used least recently on disk; return whether there was anything."""


class MemoryRoom:
    """The room that several holders share.

    Args:
        limit: the bytes of memory that they may take together.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._holders: list[MovableParts] = []
        self._parent: Path | None = None
        self._folder: Path | None = None

    def share(self, holder: MovableParts) -> None:
        """Have a holder share the room."""
        self._holders.append(holder)

    def spill_into(self, parent: Path) -> None:
        """Have what does not fit lie in a folder inside `parent`, which goes with this process."""
        if self._folder is None:
            self._parent = parent

    def make_room(self) -> None:
        """Put what was used least recently on disk until the rest is within the limit.

        Raises:
            DiskError: if the disk is full or may not be written.
        """
        while sum(holder.bytes_held for holder in self._holders) > self.limit:
            fullest_first = sorted(self._holders, key=lambda holder: -holder.bytes_held)
            if not any(holder.put_away(self._write) for holder in fullest_first):
                return

    def release(self, place: Place) -> None:
        """Remove what was put on disk for want of room; a checkpoint's file stays."""
        if self._folder is not None and place.path.parent == self._folder:
            place.path.unlink(missing_ok=True)

    def _write(self, name: str, data: bytes) -> Place:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix=".spilled-", dir=self._parent))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        path = self._folder / name
        remedy = f"free some space there, or let more stay in memory by {SETTING}"
        with explained_disk_errors(path, remedy):
            path.write_bytes(data)
        return Place(path, 0, len(data))
