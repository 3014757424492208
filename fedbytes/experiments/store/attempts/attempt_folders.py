"""The folders of a run's attempts, of which the newest counts.

A run is written in its own folder, and stays there for as long as each writer knows that the one
before has ended. A worker that takes a run over after silence cannot know that: it writes in
`attempt-N` inside the run's folder, N being the number of its lease, and from then on the run is
what that folder holds. What the silent worker writes when it wakes up goes to the older folder,
which nobody reads.
"""

import re
import shutil
from contextlib import suppress
from pathlib import Path

_NAME = re.compile(r"attempt-(\d+)")
FIRST = 1
"""The number of the attempt that is written in the run's own folder."""


def attempt_folder(root: Path, number: int) -> Path:
    """Return the folder of an attempt that took a run over.

    Args:
        root: the run's own folder.
        number: of the lease under which it is written.
    """
    return root / f"attempt-{number}"


def attempt_folders(root: Path) -> dict[int, Path]:
    """Return the folders of a run's attempts by number, the run's own first."""
    try:
        found = [(path, _NAME.fullmatch(path.name)) for path in root.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        found = []
    later = {int(match[1]): path for path, match in found if match and path.is_dir()}
    return {FIRST: root} | dict(sorted(later.items()))


def newest_attempt(root: Path) -> tuple[int, Path]:
    """Return the number and the folder of the attempt that counts."""
    return [*attempt_folders(root).items()][-1]


def run_of_attempt(folder: Path) -> Path:
    """Return the run's own folder of a folder that may be that of an attempt."""
    return folder.parent if _NAME.fullmatch(folder.name) else folder


def remove_older(root: Path, number: int) -> None:
    """Remove the attempts before `number`, and in the run's own folder what they read and wrote."""
    for older, path in attempt_folders(root).items():
        if FIRST < older < number:
            shutil.rmtree(path, ignore_errors=True)
    if number == FIRST:
        return
    for path in root.iterdir():
        if path.is_dir() and not _NAME.fullmatch(path.name):
            shutil.rmtree(path, ignore_errors=True)
        elif path.is_file() and path.name != ".lock" and not path.name.startswith("lease-"):
            with suppress(OSError):
                path.unlink()
