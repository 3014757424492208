"""The user's cache folder for downloads and computed files: `FEDBYTES_HOME`."""

import os
from pathlib import Path

import platformdirs

from fedbytes.process.disk_errors import DiskError, disk_reason


def home() -> Path:
    """Return the cache folder: `FEDBYTES_HOME`, or `fedbytes` in the user's cache folder."""
    given = os.environ.get("FEDBYTES_HOME")
    return Path(given).expanduser() if given else Path(platformdirs.user_cache_dir("fedbytes"))


def cache_folder(*parts: str) -> Path:
    """Return a folder under `home()`, created if it is missing.

    Raises:
        ValueError: if it cannot be created or written; the message names the setting to change.
    """
    path = home().joinpath(*parts)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable_error(path, error) from error
    if not os.access(path, os.W_OK):
        raise unwritable_error(path, "permission denied")
    return path


def unwritable_error(path: Path, reason: object) -> ValueError:
    """Return the error for a cache folder that cannot be written."""
    known = disk_reason(reason) if isinstance(reason, BaseException) else None
    why = known or getattr(reason, "strerror", None) or reason
    return DiskError(f"cannot write to {path} ({why}); set FEDBYTES_HOME to a folder with space")
