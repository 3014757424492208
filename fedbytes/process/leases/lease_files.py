"""Files of leases: a number each, made by one process alone, and rewritten as its beat."""

import errno
import json
import os
import re
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from fedbytes.process.disk_errors import explained_disk_errors, replaced_file
from fedbytes.process.leases.holder import Holder

LEASE_SECONDS = 300.0
"""Silence after which another process takes a lease over, unless its holder promised another."""
_ROOM = "free some space or choose another folder"
_PAUSES = (0.0, 0.05, 0.2, 0.5, 1.0)
"""Seconds before another try of a read that failed: a file that another host has just replaced is
stale for a moment, and a server may not answer once."""
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)  # of file systems without hard links


@dataclass(frozen=True)
class LeaseRecord:
    """A lease as its file says.

    Attributes:
        path: its file.
        number: which of the folder's leases it is; the highest counts.
        holder: who has it.
        token: tells this lease from any other that had its number.
        seconds: of silence, after which it is lost.
        beat: how often the holder has said that it is there.
        released: whether the holder has given it back.
        signature: the file's bytes and time, which any beat changes.
    """

    path: Path
    number: int
    holder: Holder
    token: str
    seconds: float
    beat: int
    released: bool
    signature: bytes

    @property
    def is_over(self) -> bool:
        """Whether nobody can be writing under it: given back, or its process is gone."""
        return self.released or self.holder.is_gone


def lease_path(folder: Path, name: str, number: int) -> Path:
    """Return the file of a lease."""
    return folder / f"{name}-{number}.json"


def read_leases(folder: Path, name: str) -> list[LeaseRecord]:
    """Return a folder's leases in the order of their numbers, none if there is no such folder."""
    pattern = re.compile(re.escape(name) + r"-(\d+)\.json")
    names = _read_again(lambda: [entry.name for entry in os.scandir(folder)]) or []
    numbers = sorted(int(match[1]) for one in names if (match := pattern.fullmatch(one)))
    records = (_read(lease_path(folder, name, number), number) for number in numbers)
    return [record for record in records if record is not None]


_T = TypeVar("_T")


def _read_again(read: Callable[[], _T]) -> _T | None:
    """Return what `read` does, None if there is no such file; what fails is tried again.

    Raises:
        OSError: if it still fails after some two seconds.
    """
    for pause in _PAUSES:
        try:
            return read()
        except FileNotFoundError:
            return None
        except OSError:
            time.sleep(pause)
    with suppress(FileNotFoundError):
        return read()
    return None


def newest_lease(folder: Path, name: str) -> LeaseRecord | None:
    """Return the lease that counts, None if there is none."""
    records = read_leases(folder, name)
    return records[-1] if records else None


def create_lease(path: Path, content: dict[str, Any]) -> bool:
    """Make a lease's file, whole or not at all; return False if it is there already.

    A link is made by one process alone on network file systems too, and has its content at once.

    Raises:
        DiskError: if the disk is full or may not be written.
    """
    data = json.dumps(content).encode()
    part = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    with explained_disk_errors(path, _ROOM):
        try:
            part.write_bytes(data)
            return _link(part, path, data)
        finally:
            part.unlink(missing_ok=True)


def _link(part: Path, path: Path, data: bytes) -> bool:
    try:
        path.hardlink_to(part)
    except FileExistsError:  # perhaps ours: a server's answer may be lost, and the link asked twice
        with suppress(FileNotFoundError):
            return path.read_bytes() == data
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return _create(path, data)
    return True


def _create(path: Path, data: bytes) -> bool:
    """Make the file where there are no links."""
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    except FileExistsError:
        return False
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return True


def rewrite_lease(path: Path, content: dict[str, Any]) -> None:
    """Put other content into a lease's file.

    Raises:
        DiskError: if the disk is full or may not be written.
    """
    with replaced_file(path, _ROOM) as part:
        part.write_text(json.dumps(content), encoding="utf-8")


def _read(path: Path, number: int) -> LeaseRecord | None:
    """Return a lease; one whose content is not there yet has an unknown holder."""
    found = _read_again(lambda: _content(path))
    return None if found is None else _record(path, number, *found)


def _content(path: Path) -> tuple[bytes, int]:
    """Return a file's bytes and time."""
    with path.open("rb") as file:
        return file.read(), os.fstat(file.fileno()).st_mtime_ns


def _record(path: Path, number: int, data: bytes, written: int) -> LeaseRecord:
    signature = data + str(written).encode()
    try:
        found = json.loads(data)
        return LeaseRecord(
            path,
            number,
            Holder.read(found["holder"]),
            str(found["token"]),
            float(found["seconds"]),
            int(found["beat"]),
            bool(found["released"]),
            signature,
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        unknown = Holder.read({})
        return LeaseRecord(path, number, unknown, "", LEASE_SECONDS, 0, False, signature)
