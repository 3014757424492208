"""Seconds by phase, so that a summary can say what a run spent its time on."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter, process_time

PHASES = ("setup", "train", "evaluate", "encode", "decode", "aggregate", "other")
OVERLAP = "overlap"
"""A phase of runs whose clients are spread over processes (see `Clock.spread`)."""


class Clock:
    """Adds up seconds by phase, of the wall and of the process; what no phase claims is `other`.

    Wall seconds include waiting for other programs of the machine. Seconds of the process do not,
    and add up over its threads. Phases do not nest. A resumed run starts from the seconds of its
    checkpoint; where that has none of the process, they stay unknown.

    Args:
        seconds: of the wall, by phase, that were spent before.
        process: of the process, likewise.

    Example:
        >>> clock = Clock({"train": 2.0}, {"train": 1.5})
        >>> clock.seconds()["train"], clock.process_seconds()["train"]
        (2.0, 1.5)
    """

    def __init__(
        self,
        seconds: Mapping[str, float] | None = None,
        process: Mapping[str, float] | None = None,
    ) -> None:
        self._seconds, self._carried = _begin(seconds)
        self._process, self._process_carried = _begin(process)
        self._knows_process = process is not None or not seconds
        self._start, self._process_start = perf_counter(), process_time()
        self._laps = dict(self._seconds)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the seconds inside the block towards `name`."""
        start, process_start = perf_counter(), process_time()
        try:
            yield
        finally:
            self._process[name] += process_time() - process_start
            self._seconds[name] += perf_counter() - start

    def spread(self, name: str, spent: float, process: float, waited: float) -> None:
        """Count seconds that other processes spent at the same time, while this one waited.

        `overlap` holds what has to be added to them, less than zero where it pays, so that all
        phases still add up to the run's.

        Args:
            name: of the phase.
            spent: by all of them together.
            process: of theirs, likewise.
            waited: here.
        """
        self._process[name] += process
        self._process_carried += process
        self._seconds[name] += spent
        self._seconds[OVERLAP] = self._seconds.get(OVERLAP, 0.0) + waited - spent

    def lap(self, name: str) -> float:
        """Return the wall seconds of a phase since its last lap, and begin the next."""
        before, self._laps[name] = self._laps[name], self._seconds[name]
        return self._seconds[name] - before

    def carry(self, name: str, seconds: float) -> None:
        """Let the next lap of a phase count `seconds` that were spent earlier, unbooked."""
        self._laps[name] -= seconds

    def seconds(self) -> dict[str, float]:
        """Return the wall seconds of every phase so far; they add up to the run's."""
        return _with_other(self._seconds, self._carried + perf_counter() - self._start)

    def process_seconds(self) -> dict[str, float] | None:
        """Return the seconds of the process likewise; None where those before are not known."""
        if not self._knows_process:
            return None
        total = self._process_carried + process_time() - self._process_start
        return _with_other(self._process, total)


def _begin(before: Mapping[str, float] | None) -> tuple[dict[str, float], float]:
    """Return the seconds of every phase to count on from, and their sum with `other`."""
    known = dict(before or {})
    total = sum(known.values())
    known.pop("other", None)
    return dict.fromkeys(PHASES[:-1], 0.0) | known, total


def _with_other(phases: Mapping[str, float], total: float) -> dict[str, float]:
    return {**phases, "other": max(0.0, total - sum(phases.values()))}
