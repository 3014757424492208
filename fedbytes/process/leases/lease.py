"""A lease that this process holds: its heart beats, and it says when it is lost."""

import os
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from fedbytes.process.disk_errors import DiskError
from fedbytes.process.leases.holder import this_process
from fedbytes.process.leases.lease_files import (
    LEASE_SECONDS,
    LeaseRecord,
    create_lease,
    lease_path,
    newest_lease,
    read_leases,
    rewrite_lease,
)
from fedbytes.process.leases.silence import Silence

BEATS = 10
"""Beats within the silence that a holder promises."""
_LOOKS = 20  # of a watcher within that silence
_FIRST_WAIT = 0.02  # seconds; each wait is twice the one before, up to that of `_LOOKS`
_FROZEN = 10  # waits: a watcher whose look comes later was frozen itself, and counts no more
IfHeld = Literal["wait", "watch", "leave"]
"""What is done where another process has a lease; see `acquire`."""


class NotOursError(ValueError):
    """Another process does the thing; nothing is wrong with it."""


class HeldError(NotOursError):
    """The lease is another's, whose heart beats; one line that names the holder."""


class LostLeaseError(NotOursError):
    """The lease was taken over by another process, after silence; one line that names it."""


class Lease:
    """A lease held by this process; made by `acquire`.

    Args:
        folder: where its file is.
        name: of the leases in that folder.
        number: of this one.
        seconds: of silence after which others may take it over.
        clean: whether nobody can be writing under a lower number.
    """

    def __init__(self, folder: Path, name: str, number: int, seconds: float, clean: bool) -> None:
        self.folder, self.name, self.number = folder, name, number
        self.seconds, self.clean = seconds, clean
        self.path = lease_path(folder, name, number)
        self._token, self._beat = secrets.token_hex(8), 0
        self._ended = threading.Event()
        self._heart = threading.Thread(target=self._beat_on, daemon=True)

    def begin(self) -> bool:
        """Make the file and start to beat; return False if another was first."""
        if not create_lease(self.path, self._content()):
            return False
        self._heart.start()
        return True

    def check(self) -> None:
        """Read the lease again: it must still be ours.

        Raises:
            LostLeaseError: if another process has taken it over.
        """
        newest = newest_lease(self.folder, self.name)
        if newest is not None and newest.token == self._token:
            return
        by = f" by {newest.holder}" if newest is not None else ""
        raise LostLeaseError(
            f"{self.folder.name} was taken over{by} after a silence of this process: what it has "
            "not saved is left out"
        )

    def release(self, forget_lower: bool) -> None:
        """Give the lease back.

        Args:
            forget_lower: remove the files of lower numbers as well, and so begin to count anew:
                right where nobody writes under them, or nobody reads what they write.
        """
        self._ended.set()
        self._heart.join()
        with suppress(OSError, DiskError, LostLeaseError):
            self.check()
            give_back(read_leases(self.folder, self.name)[-1], self._content(), forget_lower)

    def _content(self) -> dict[str, Any]:
        return {
            "holder": this_process().stated(),
            "token": self._token,
            "seconds": self.seconds,
            "beat": self._beat,
            "released": False,
        }

    def _beat_on(self) -> None:
        """Beat until the lease ends or is lost. A full disk delays a beat, and ends nothing."""
        while not self._ended.wait(self.seconds / BEATS):
            self._beat += 1
            try:
                self.check()
                rewrite_lease(self.path, self._content())
            except LostLeaseError:
                return
            except OSError:
                continue
            except DiskError:
                with suppress(OSError):
                    os.utime(self.path)


def give_back(record: LeaseRecord, content: dict[str, Any], forget_lower: bool) -> None:
    """Remove a lease and those below it, or mark it as given back.

    Its number is used again only where nobody can be writing under it.
    """
    if not forget_lower:
        rewrite_lease(record.path, content | {"released": True})
        return
    name = record.path.name.rpartition("-")[0]
    for one in read_leases(record.path.parent, name):
        if one.number <= record.number:
            one.path.unlink(missing_ok=True)


def acquire(
    folder: Path,
    name: str = "lease",
    *,
    seconds: float = LEASE_SECONDS,
    least: int = 1,
    if_held: IfHeld = "watch",
    on_wait: Callable[[LeaseRecord, float], None] | None = None,
) -> Lease:
    """Take the lease of a folder as soon as nobody else has it.

    A lease is free if there is none, if it was given back, if its process is certainly gone, or if
    its beat has not changed for as long as its holder promised to beat within.

    Args:
        folder: where the files of leases are; it must exist.
        name: which of the folder's leases.
        seconds: of silence after which others may take this one over.
        least: the lowest number that counts; files of lower ones are passed over.
        if_held: what to do where another process has it: `wait` until it is free, `watch` its
            heart and leave it alone if that beats, or `leave` it alone at once.
        on_wait: called while waiting, with the lease and the seconds of its silence.

    Raises:
        HeldError: if another process has it, unless `wait`.
        DiskError: if the disk is full or may not be written.
    """
    silence, first, wait = Silence(), b"", _FIRST_WAIT
    while True:
        records = [one for one in read_leases(folder, name) if one.number >= least]
        newest = records[-1] if records else None
        if newest is not None and not newest.is_over:
            first = first or newest.signature
            longest = min(1.0, newest.seconds / _LOOKS)
            silent = silence.of(newest.path.name, newest.signature, _FROZEN * longest)
            if silent < newest.seconds:
                beats = newest.signature != first
                if if_held == "leave" or (beats and if_held == "watch"):
                    raise HeldError(f"{folder.name} is being made by {newest.holder}")
                if on_wait is not None:
                    on_wait(newest, silent)
                time.sleep(wait := min(2 * wait, longest))
                continue
        clean = all(one.is_over for one in records)
        number = least if newest is None else newest.number + 1
        lease = Lease(folder, name, number, seconds, clean)
        if lease.begin():
            return lease
