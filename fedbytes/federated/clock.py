"""Seconds by phase, so that a summary can say what a run spent its time on."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

PHASES = ("setup", "train", "evaluate", "encode", "decode", "aggregate", "other")


class Clock:
    """Adds up wall seconds by phase; what no phase claims is `other`.

    Phases do not nest. A resumed run starts from the seconds of its checkpoint.
    """

    def __init__(self, seconds: dict[str, float] | None = None) -> None:
        self._seconds = dict.fromkeys(PHASES[:-1], 0.0) | (seconds or {})
        self._carried = sum(self._seconds.values())
        self._seconds.pop("other", None)
        self._start = perf_counter()
        self._laps = dict(self._seconds)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the seconds inside the block towards `name`."""
        start = perf_counter()
        try:
            yield
        finally:
            self._seconds[name] += perf_counter() - start

    def lap(self, name: str) -> float:
        """Return the seconds of a phase since its last lap, and begin the next."""
        before, self._laps[name] = self._laps[name], self._seconds[name]
        return self._seconds[name] - before

    def carry(self, name: str, seconds: float) -> None:
        """Let the next lap of a phase count `seconds` that were spent earlier, unbooked."""
        self._laps[name] -= seconds

    def seconds(self) -> dict[str, float]:
        """Return the seconds of every phase so far; they add up to the run's."""
        total = self._carried + perf_counter() - self._start
        return self._seconds | {"other": max(0.0, total - sum(self._seconds.values()))}
