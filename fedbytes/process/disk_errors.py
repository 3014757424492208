"""A disk that is full or may not be written: one line with the file and the remedy."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FULL = "No space left on device"
_REASONS = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: "Disk quota exceeded",
    errno.EROFS: "Read-only file system",
    errno.EACCES: "Permission denied",
    errno.EPERM: "Operation not permitted",
    errno.EFBIG: "File too large",
}
"""Errors that say nothing about what was to be written, only about where."""


class DiskError(ValueError):
    """A file could not be written; nothing is wrong with what was to be written."""


def disk_reason(error: BaseException | None) -> str | None:
    """Return why a disk refused to be written, or None if something else is wrong.

    Libraries raise errors of their own kinds, some of them while they handle the system's.
    """
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, OSError) and error.errno in _REASONS:
            return _REASONS[error.errno]
        text = str(error)
        if _FULL in text or (isinstance(error, OSError) and " requested and " in text):
            return _FULL  # safetensors and numpy raise without a number
        error = error.__cause__ or error.__context__
    return None


@contextmanager
def explained_disk_errors(path: Path, remedy: str) -> Iterator[None]:
    """Turn what a full or closed disk raises in the block into a `DiskError` of one line.

    Args:
        path: the file or folder that the block writes.
        remedy: what the user can do.

    Raises:
        DiskError: naming `path`, the reason and the remedy; other errors pass.
    """
    try:
        yield
    except DiskError:
        raise
    except Exception as error:
        reason = disk_reason(error)
        if reason is None:
            raise
        raise DiskError(f"cannot write {path} ({reason}): {remedy}") from error


@contextmanager
def replaced_file(path: Path, remedy: str) -> Iterator[Path]:
    """Yield a file beside `path` to write to, which takes its place after the block.

    A reader sees the old file or the whole new one. If the block fails, nothing is left behind.
    Its name is nobody else's: processes of several hosts may have one id.

    Raises:
        DiskError: if the disk is full or may not be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    with explained_disk_errors(path, remedy):
        try:
            yield part
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
