"""A worker of a store: takes runs of its plan, one after another, until none is left for it."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.experiments.engines.free_runs import FreeRuns
from fedbytes.experiments.engines.plan_file import SweepPlan
from fedbytes.experiments.execution.events import Event, Failed, Finished, LeftAlone
from fedbytes.experiments.execution.sweeps import Reporter, open_store
from fedbytes.experiments.execution.workers.stopping import StopRequest, stopping
from fedbytes.experiments.execution.workers.worker import WorkerOptions
from fedbytes.experiments.execution.workers.worker_process import WorkerProcess
from fedbytes.experiments.store.attempts.held_run import IfRunHeld, held_to_note
from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.experiments.store.tries import LIMIT
from fedbytes.process.leases.holder import this_process
from fedbytes.process.leases.lease_files import LEASE_SECONDS, newest_lease

_LOOK = 0.5  # seconds between two looks at the signals, the clock and the lease


@dataclass
class WorkDone:
    """What a worker has done.

    Attributes:
        done: ids of runs that it finished.
        failed: those that failed, or could not be written, with the reason.
        left: those of its runs that have neither finished nor failed.
        stopped: whether a signal or the time made it stop.
    """

    done: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    stopped: bool = False


def work_store(
    store: Path,
    plan: SweepPlan,
    *,
    reporter: Reporter,
    only: Sequence[str] = (),
    seconds: float | None = None,
    threads: int = 1,
    lease_seconds: float = LEASE_SECONDS,
    wait: bool = False,
    parent: int | None = None,
) -> WorkDone:
    """Make runs of a plan until none is left that nobody else makes.

    Runs are made in a process of their own, so that this one sees how it ends: three ends without
    a round finished make a run failed, with their exit codes. SIGTERM and SIGUSR1 let the round in
    hand finish and be saved.

    Args:
        store: the folder of runs, with the plan in it.
        plan: from `read_sweep_plan`.
        reporter: receives every event.
        only: ids to take; all by default.
        seconds: after which the round in hand is the last.
        threads: of each run.
        lease_seconds: of silence after which others may take over what this worker makes.
        wait: stay while other workers make runs, to take over those of workers that fall silent.
        parent: stop when this process is no longer the parent.

    Raises:
        ValueError: for an id that the plan does not have, or a store that cannot be written to.
    """
    open_store(store)
    runs = FreeRuns(store, _chosen(plan, only))
    with stopping(seconds, parent) as stopped:
        worker = _Worker(store, threads, lease_seconds, reporter, stopped)
        try:
            while (taken := runs.take(wait, stopped)) is not None:
                worker.make(*taken, runs)
                if worker.useless:
                    break
        finally:
            worker.end()
        return WorkDone(worker.done, worker.failed, runs.left(), stopped())


def _chosen(plan: SweepPlan, only: Sequence[str]) -> list[RunConfig]:
    """Return the runs of a plan that are asked for, in the order in which they are made."""
    known = {config.id for config in plan.runs}
    for run in only:
        if run not in known:
            raise ValueError(f"the plan has no run {run!r}: `fedbytes status` lists its runs")
    return [config for config in plan.order if not only or config.id in only]


class _Worker:
    """The process that makes the runs, and what became of them."""

    def __init__(
        self,
        store: Path,
        threads: int,
        lease_seconds: float,
        reporter: Reporter,
        stopped: StopRequest,
    ) -> None:
        self.store, self.threads, self.reporter, self.stopped = store, threads, reporter, stopped
        self.options = WorkerOptions(lease_seconds=lease_seconds, stops=True)
        self.done: list[str] = []
        self.failed: dict[str, str] = {}
        self.useless = False
        self._process: WorkerProcess | None = None
        self._held_any = False
        self._deaths: dict[str, list[str]] = {}

    def make(self, config: RunConfig, if_held: IfRunHeld, runs: FreeRuns) -> None:
        """Make a run, or as many rounds of it as there is time for."""
        worker = self._hire()
        self.reporter.started(config)
        worker.assign(config, if_held)
        had_it = False
        event: Event | None = None
        while not isinstance(event, Failed | Finished | LeftAlone):
            if self.stopped():
                worker.tell_to_stop()
            had_it = had_it or self._is_holder(worker, config)
            self._held_any = self._held_any or had_it
            if had_it and self._other_holder(worker, config):
                worker.process.kill()
            if not worker.pipe.poll(_LOOK):
                continue
            event = worker.receive(self.store)
            if isinstance(event, Failed) and had_it and self._other_holder(worker, config):
                event = LeftAlone("it was taken over while this worker was silent")
            self.reporter.on_event(config, event)
        worker.config = None
        if isinstance(event, Failed) and event.unbegun:
            event = self._count_death(config, str(worker.process.exitcode), event)
        self._book(config, event, runs)

    def _hire(self) -> WorkerProcess:
        if self._process is None or not self._process.process.is_alive():
            self._process = WorkerProcess(self.store, self.threads, self.options)
        return self._process

    def _book(
        self, config: RunConfig, event: Failed | Finished | LeftAlone, runs: FreeRuns
    ) -> None:
        if isinstance(event, Finished):
            self.done.append(config.id)
        elif isinstance(event, LeftAlone):
            runs.put_back(config)
            if event.stopped:  # also if others told the process, which `status` names
                self.stopped.ask()
        elif event.of_disk or self._is_given_up(config):
            self.useless = self.useless or event.of_disk
            self.failed[config.id] = event.message
            runs.drop(config)

    def _is_given_up(self, config: RunConfig) -> bool:
        too_often = len(self._deaths.get(config.id, ())) >= LIMIT
        return too_often or RunFolder(self.store, config.id).status == "failed"

    def _count_death(self, config: RunConfig, code: str, event: Failed) -> Failed:
        """Count a death before any try of the run was; after the last the run has failed.

        Where no process has got as far as any run, this host is the fault: it takes no more.
        """
        deaths = self._deaths.setdefault(config.id, [])
        deaths.append(code)
        if len(deaths) < LIMIT:
            return event
        self.useless = not self._held_any
        message = (
            f"its process died {LIMIT} times before it had begun (exit codes: "
            f"{', '.join(deaths)}): "
            "see what it printed, or use fewer workers, then --retry-failed"
        )
        with suppress(OSError, ValueError), held_to_note(self.store / config.id) as folder:
            folder.fail(message, "")
        return Failed(message)

    def _is_holder(self, worker: WorkerProcess, config: RunConfig) -> bool:
        """Return whether the process has the run's lease."""
        lease = newest_lease(self.store / config.id, "lease")
        host, pid = this_process().host, worker.process.pid
        return lease is not None and (lease.holder.host, lease.holder.pid) == (host, pid)

    def _other_holder(self, worker: WorkerProcess, config: RunConfig) -> bool:
        """Return whether another process has it."""
        lease = newest_lease(self.store / config.id, "lease")
        return lease is not None and not self._is_holder(worker, config)

    def end(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.end(self.store)
