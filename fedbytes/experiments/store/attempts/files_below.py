"""Files below a folder that others write to while it is looked at."""

import os
from collections.abc import Collection, Iterator
from pathlib import Path


def files_below(folder: Path, names: Collection[str]) -> Iterator[Path]:
    """Yield the files of these names at any depth; folders that vanish meanwhile are passed over.

    So are attempts at a run that are still being copied.

    Args:
        folder: where to look.
        names: of the files.
    """
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".attempt-")]
        yield from (Path(place, name) for name in files if name in names)
