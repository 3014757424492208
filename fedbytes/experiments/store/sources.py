"""What a run was made from: digests of the files that it read, compared with those of today."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fedbytes.process.file_digests import file_digests

Sources = dict[str, dict[str, str | None]]
"""Digests by kind (`task`, `model`, `partition`, `plugins`, `assets`, `hub`) and path or name.

None for a file that is not there.
"""
NO_FILES = ("assets", "hub")
"""Kinds whose digests are those of a release or of a cache, not of a file."""


@dataclass(frozen=True)
class SourceChange:
    """A file that is another than when a run was made; a digest is None where it was not read."""

    kind: str
    path: str
    was: str | None
    now: str | None

    def __str__(self) -> str:
        if self.was is None:
            return f"{self.path} was not read then"
        if self.now is None:
            return f"{self.path} is no longer read"
        return f"{self.path} was {self.was[:12]}, now {self.now[:12]}"


@dataclass(frozen=True)
class SourceComparison:
    """How what a run was made from compares with what is there today.

    Attributes:
        changed: files that differ, without those that were accepted.
        unverified: why not everything could be compared; empty if it could.
    """

    changed: tuple[SourceChange, ...] = ()
    unverified: str = ""

    @property
    def what(self) -> str:
        """What has changed, in a few words."""
        shown = "; ".join(map(str, self.changed[:3]))
        more = len(self.changed) - 3
        return f"{shown}; and {more} more" if more > 0 else shown


def compare(provenance: Mapping[str, Any], now: Sources) -> SourceComparison:
    """Compare a run's provenance with what it would be made from today.

    A file that is not there, and a run from before digests, are not verified. Files that have moved
    together are the same; one that was renamed is another, since names decide the order of texts,
    and who holds them. Code is the same wherever it is.
    """
    if "sources" not in provenance:
        return SourceComparison(unverified="its provenance has no digests of what it read")
    changed: list[SourceChange] = []
    gone: list[str] = []
    for kind, recorded in provenance["sources"].items():
        found, missing = _compare_kind(kind, recorded, now.get(kind, {}))
        changed += found
        gone += missing
    accepted = {
        (one["kind"], one["path"], one["now"])
        for time in provenance.get("accepted", ())
        for one in time["changes"]
    }
    left = tuple(d for d in changed if (d.kind, d.path, d.now) not in accepted)
    shown = ", ".join(gone[:3]) + (f" and {len(gone) - 3} more" if len(gone) > 3 else "")
    verb = "is" if len(gone) == 1 else "are"
    return SourceComparison(left, f"{shown} {verb} not there" if gone else "")


def _compare_kind(
    kind: str, recorded: Mapping[str, str | None], now: Mapping[str, str | None]
) -> tuple[list[SourceChange], list[str]]:
    """Return the differences within one kind, and the files that are not there."""
    if _below(recorded) == _below(now):
        return [], []
    same = {path for path, digest in recorded.items() if digest and now.get(path) == digest}
    was = {path: digest for path, digest in recorded.items() if path not in same}
    is_ = {path: digest for path, digest in now.items() if path not in same}
    for path, digest in list(was.items()) if kind == "plugins" else ():  # moved
        moved = next((p for p, d in is_.items() if d == digest and p not in recorded), None)
        if moved is not None:
            del was[path], is_[moved]
            is_.pop(path, None)
    changed = [
        SourceChange(kind, path, digest, is_[path]) for path, digest in was.items() if is_.get(path)
    ]
    gone = [path for path in was if not is_.get(path)]
    new = [SourceChange(kind, p, None, d) for p, d in is_.items() if d and p not in was]
    if same or changed or new:  # others are there: what is not asked for any more is a difference
        changed += [SourceChange(kind, p, was[p], None) for p in gone if p not in now]
        gone = [path for path in gone if path in now]
    return [*changed, *new], gone


def _below(files: Mapping[str, str | None]) -> dict[str, str | None]:
    """Return digests by the names of files below the folder that holds them all."""
    try:
        shared = os.path.commonpath([Path(path).parent for path in files])
    except ValueError:  # there are none, or some paths are absolute and others relative
        return dict(files)
    return {os.path.relpath(path, shared or "."): digest for path, digest in files.items()}


def digests_today(recorded: Mapping[str, Mapping[str, str | None]]) -> Sources:
    """Return the digests that the files of a record have today, None for those not there.

    What is no file, named assets and what comes from the hub, is taken as recorded: it is compared
    where a run is made.
    """
    files = file_digests()
    today: Sources = {
        kind: dict(paths)
        if kind in NO_FILES
        else {path: files.digest(Path(path).expanduser()) for path in paths}
        for kind, paths in recorded.items()
    }
    files.save()
    return today


def accept(
    provenance: Mapping[str, Any], changed: Sequence[SourceChange], time: str
) -> dict[str, Any]:
    """Return a provenance that says that differences were accepted, and when."""
    taken = {"time": time, "changes": [asdict(one) for one in changed]}
    return dict(provenance) | {"accepted": [*provenance.get("accepted", ()), taken]}
