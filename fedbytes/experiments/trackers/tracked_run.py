"""What a tracker is given of a run: its settings, and each metric by round and by bytes."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from fedbytes.experiments.store.find_runs import sound_runs
from fedbytes.experiments.store.row_files import read_json_lines

_NOT_METRICS = ("round", "rounds", "seconds")
ROUND, BYTES = "by_round", "by_bytes"
"""The two sets of curves: their steps are rounds, or the message bytes of the run so far."""


class Scalar(NamedTuple):
    """A point of a curve: the curve's name, its step, its value, and seconds since the start."""

    name: str
    step: int
    value: float
    seconds: float


@dataclass(frozen=True)
class TrackedRun:
    """A run of a store.

    Attributes:
        run: its id, by which trackers know it.
        settings: as written in its configuration.
        rows: of the evaluated rounds so far.
    """

    run: str
    settings: Mapping[str, Any]
    rows: tuple[Mapping[str, Any], ...]

    @classmethod
    def all_of(cls, store: Path) -> "list[TrackedRun]":
        """Return the runs of a store that have rows, in the order of their ids."""
        found = []
        for folder in sound_runs(store):
            rows = read_json_lines(folder.path / "rounds.jsonl")
            found.append(cls(folder.run, folder.settings(), tuple(rows)))
        return [one for one in found if one.rows]

    def scalars(self) -> Iterator[Scalar]:
        """Yield every finite number of every row twice: by round, and by total bytes."""
        for row in self.rows:
            seconds = float(row.get("seconds", 0.0))
            for key, value in row.items():
                if key in _NOT_METRICS or isinstance(value, bool):
                    continue
                if isinstance(value, int | float) and math.isfinite(value):
                    yield Scalar(f"{ROUND}/{key}", row["round"], float(value), seconds)
                    steps = int(row.get("total_bytes", 0))
                    if key != "total_bytes":
                        yield Scalar(f"{BYTES}/{key}", steps, float(value), seconds)

    def flat_settings(self) -> dict[str, str]:
        """Return the settings by their dotted names."""
        return dict(_flat("", self.settings))


def _flat(where: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(f"{where}.{key}" if where else str(key), inner)
    elif value not in (None, [], ()):
        yield where, str(value)
