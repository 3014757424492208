"""What a mistyped path may have meant, by what lies beside it."""

import difflib
import os
from glob import has_magic
from pathlib import Path

_MOST = 10_000
"""Entries of a folder that are looked at."""


def hint_at_near_path(path: str | Path, folder: bool = False) -> str:
    """Return `"; did you mean 'runs/mine'?"`, or nothing where nothing of a like name lies there.

    Args:
        path: where nothing is.
        folder: whether a folder was wanted, and not a file.
    """
    wanted = Path(path)
    if has_magic(str(path)):
        return ""
    try:
        with os.scandir(wanted.parent) as entries:
            found = (entry for entry, _ in zip(entries, range(_MOST), strict=False))
            names = sorted(entry.name for entry in found if entry.is_dir() == folder)
    except OSError:
        return ""
    close = difflib.get_close_matches(wanted.name, names, n=1, cutoff=0.75)
    return f"; did you mean {str(wanted.parent / close[0])!r}?" if close else ""
