"""What is damaged of finished runs, found once for as long as their files stay as they are."""

import os
from pathlib import Path

from fedbytes.experiments.store.damage import find_damage
from fedbytes.experiments.store.run_folder import RunFolder

_Files = frozenset[tuple[str, int, int]]


class RememberedDamage:
    """Finds damage as `find_damage` does; a finished run whose files are as before is not read.

    For whoever looks at a store again and again: digests of everything take long.
    """

    def __init__(self) -> None:
        self._known: dict[Path, tuple[_Files, str]] = {}

    def find(self, run: RunFolder) -> str:
        """Return what is damaged of a run, in a few words; empty if nothing is."""
        if run.status != "done":
            return find_damage(run)
        files = _files_of(run.path)
        before, damage = self._known.get(run.path, (None, ""))
        if files != before:
            damage = find_damage(run)
            self._known[run.path] = files, damage
        return damage


def _files_of(folder: Path) -> _Files:
    """Return the name, size and time of each file."""
    found = []
    for entry in os.scandir(folder):
        about = entry.stat()
        found.append((entry.name, about.st_size, about.st_mtime_ns))
    return frozenset(found)
