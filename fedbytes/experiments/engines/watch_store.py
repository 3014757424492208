"""Watches a store while workers elsewhere make its runs, and replaces workers that are lost."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.experiments.engines.free_runs import live_lease
from fedbytes.experiments.engines.worker_logs import last_words
from fedbytes.experiments.engines.workers import EngineWorkers
from fedbytes.experiments.execution.events import Advanced, Failed, Finished
from fedbytes.experiments.execution.sweep_plan import Outcome
from fedbytes.experiments.execution.sweeps import Reporter
from fedbytes.experiments.store.row_files import read_json_lines
from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.experiments.store.saved_sums import read_saved
from fedbytes.experiments.store.sealed_json import DamageError
from fedbytes.experiments.store.tries import LIMIT
from fedbytes.process.leases.silence import Silence

POLL = 1.0
"""Seconds between two looks at the store."""
_ABSENT = 5
"""Looks in a row after which a run that had a worker is believed to have none: a job that is just
being put back is for a moment in no queue."""
_LOOKS = 5
"""Looks without a beat after which a worker is believed to be frozen, however long its watcher or
the whole machine stood still between them."""


def watch_store(
    store: Path,
    queue: Sequence[RunConfig],
    workers: EngineWorkers,
    outcome: Outcome,
    reporter: Reporter,
    poll: float = POLL,
    stopped: Callable[[], bool] = bool,
) -> None:
    """Ask for a worker per run, and for another one where none is left, until every run has ended.

    What a run has come to is read from the store. The engine is asked only for which runs a worker
    still waits or works, so that none is asked for twice.

    Args:
        store: the folder of runs.
        queue: the runs to make, in the order in which workers are asked for.
        workers: of the engine.
        outcome: takes the ids of runs that have ended.
        reporter: receives every event.
        poll: seconds between two looks.
        stopped: says whether to watch no longer, and to leave the workers to their engine.
    """
    watched = [_WatchedRun(store, config, reporter) for config in queue]
    silence = Silence()
    while watched := [run for run in watched if not run.has_ended(outcome)]:
        if stopped():
            outcome.stopped = True
            return
        alive = workers.alive()
        lacking = [run for run in watched if run.lacks_worker(alive, silence)]
        hopeless = [run for run in lacking if run.asked > LIMIT]
        for run in hopeless:
            run.give_up(outcome)
        ids = [run.config.id for run in lacking if run not in hopeless]
        if ids:
            workers.submit(ids)
        watched = [run for run in watched if run not in hopeless]
        time.sleep(poll)


@dataclass
class _WatchedRun:
    """A run that has not ended yet, as far as the watcher has seen it.

    `asked` counts the workers that were asked for since the run last got further: one that takes
    the run and comes to nothing, as on a full disk, counts like one that never arrives.
    """

    store: Path
    config: RunConfig
    reporter: Reporter
    asked: int = 0
    submitted: bool = False
    absent: int = 0
    began: bool = False
    shown: int = 0
    reached: int = 0
    replaced: bytes = b""

    @property
    def folder(self) -> RunFolder:
        return RunFolder(self.store, self.config.id)

    def has_ended(self, outcome: Outcome) -> bool:
        """Look at the store, and tell of what is new; return whether the run has ended."""
        folder = self.folder
        status = folder.status
        if live_lease(self.store / self.config.id) is not None or status in ("done", "failed"):
            self._begin()
        self._advance(folder)
        if status == "done":
            outcome.done.append(self.config.id)
            self.reporter.on_event(self.config, Finished())
        elif status == "failed":
            self._fail(outcome, folder.failure)
        return status in ("done", "failed")

    def lacks_worker(self, alive: set[str], silence: Silence) -> bool:
        """Return whether another worker is to be asked for, and count that."""
        lease = live_lease(self.store / self.config.id)
        at_once = not self.submitted
        if lease is not None:
            most = lease.seconds / _LOOKS
            silent = silence.of(f"{self.config.id} {lease.number}", lease.signature, most)
            if silent < lease.seconds:
                self.absent = 0
                return False
            # The engine may still count the frozen worker: its replacement does not wait for that.
            at_once = lease.signature != self.replaced
            self.replaced = lease.signature
        if not (lease is not None and at_once):
            if self.config.id in alive:
                self.absent = 0
                return False
            self.absent += 1
            if not at_once and self.absent < _ABSENT:
                return False
        self.asked, self.submitted, self.absent = self.asked + 1, True, 0
        return True

    def give_up(self, outcome: Outcome) -> None:
        """Say that workers came to nothing, and what the last of them said."""
        self._begin()
        last = last_words(self.store, self.config.id)
        self._fail(
            outcome,
            f"{LIMIT} workers ended without getting run {self.config.id} any further"
            f"{f' (the last one said: {last})' if last else ''}: see the logs in "
            f"{self.store / 'engines'}, and call the same command again",
        )

    def _begin(self) -> None:
        if not self.began:
            self.began = True
            self.reporter.started(self.config)

    def _advance(self, folder: RunFolder) -> None:
        """See how far the run is, and tell of the newest evaluated round."""
        try:
            rows = read_json_lines(folder.path / "rounds.jsonl")
            saved = read_saved(folder)
        except (DamageError, OSError):  # it is just being copied or cleared
            return
        row: dict[str, Any] = rows[-1] if rows else {"round": 0}
        reached = max(row["round"], saved[0]["round"] if saved else 0)
        if reached > self.reached:
            self.reached, self.asked = reached, 0
        if row["round"] > self.shown:
            self._begin()
            self.shown = row["round"]
            self.reporter.on_event(self.config, Advanced(self.shown, row["total_bytes"], row))

    def _fail(self, outcome: Outcome, message: str) -> None:
        outcome.failed[self.config.id] = message
        self.reporter.on_event(self.config, Failed(message))
