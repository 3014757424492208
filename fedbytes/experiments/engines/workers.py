"""The workers of an engine: what is asked of it, and what it answers."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fedbytes.process.leases.lease_files import LEASE_SECONDS


@dataclass(frozen=True)
class WorkerJobs:
    """What an engine is to start: a worker per run, each of which is called by a command.

    Attributes:
        store: the folder of runs, as an absolute path.
        suite: the suite's name.
        folder: where the commands are called.
        workers: at once, None for as many as the engine has room for.
        threads: of each process.
        lease_seconds: of silence after which a worker's run is taken over.
        processes: that the clients of a run train in.
    """

    store: Path
    suite: str
    folder: Path
    workers: int | None = None
    threads: int = 1
    lease_seconds: float = LEASE_SECONDS
    processes: int = 1

    @property
    def cores(self) -> int:
        """The cores that a worker keeps busy."""
        return self.threads * self.processes

    def command(self, run: str) -> list[str]:
        """Return the words that make one run, with the Python that asks."""
        return [
            sys.executable, "-m", "fedbytes", "work", str(self.store), "--only", run,
            "--threads", str(self.threads), "--lease-seconds", f"{self.lease_seconds:g}",
        ]  # fmt: skip

    def notes(self, engine: str) -> Path:
        """Return the folder of what an engine writes: scripts, logs, numbers of jobs."""
        path = self.store / "engines" / engine
        path.mkdir(parents=True, exist_ok=True)
        return path


class EngineWorkers(Protocol):
    """The workers that an engine has started or will start."""

    def submit(self, ids: Sequence[str]) -> None:
        """Ask for a worker for each of these runs."""

    def alive(self) -> set[str]:
        """Return the runs for which a worker waits or works, as far as the engine says."""

    def close(self) -> None:
        """Leave the engine; workers end with it where it ends with this process."""
