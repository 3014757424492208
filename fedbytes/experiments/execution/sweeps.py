"""Sweeps: worker processes make every run of a suite, each once."""

import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import wait
from pathlib import Path
from typing import Protocol

from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.experiments.execution.events import Event, Failed, Finished, LeftAlone
from fedbytes.experiments.execution.only_sweep import only_sweep
from fedbytes.experiments.execution.reuse import IfStale, settle
from fedbytes.experiments.execution.run_sources import sources_of
from fedbytes.experiments.execution.sweep_plan import Outcome, plan, relabel_kept
from fedbytes.experiments.execution.workers.stopping import StopRequest, stopping
from fedbytes.experiments.execution.workers.worker import WorkerOptions
from fedbytes.experiments.execution.workers.worker_process import WorkerProcess
from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.experiments.store.tries import LIMIT, forget_tries, tries
from fedbytes.process.leases.lease_files import LEASE_SECONDS

_LOOK = 1.0  # seconds between two looks at signals


class Reporter(Protocol):
    """Follows a sweep's progress; `fedbytes.cli.progress_table` draws it as a table."""

    def started(self, config: RunConfig) -> None:
        """A run has been assigned to a worker."""

    def on_event(self, config: RunConfig, event: Event) -> None:
        """A run is being prepared, has advanced, has finished, or has failed."""


def open_store(path: str | Path) -> Path:
    """Create the store's folder if needed, and check that it is writable.

    Raises:
        ValueError: if it cannot.
    """
    store = Path(path)
    try:
        store.mkdir(parents=True, exist_ok=True)
        probe = store / f".probe-{os.getpid()}-{secrets.token_hex(4)}"  # hosts may share numbers
        probe.touch()
        probe.unlink(missing_ok=True)
    except OSError as error:
        raise ValueError(
            f"cannot write to {str(store)!r} ({error.strerror}); choose another folder with --out"
        ) from None
    return store


@contextmanager
def checked_store(path: str | Path) -> Iterator[Path]:
    """Open a store for checks: if they raise, folders that were made for it are taken away again.

    Raises:
        ValueError: if it cannot be written.
    """
    made = [folder for folder in (Path(path), *Path(path).parents) if not folder.exists()]
    try:
        yield open_store(path)
    except BaseException:
        for folder in made:
            with suppress(OSError):  # somebody else's runs are there by now
                folder.rmdir()
        raise


def sweep(
    configs: Sequence[RunConfig],
    path: str | Path,
    *,
    workers: int | None = None,
    threads: int | None = None,
    retry_failed: bool = False,
    relabel: bool = True,
    if_stale: IfStale = "refuse",
    lease_seconds: float = LEASE_SECONDS,
    reporter: Reporter,
) -> Outcome:
    """Make every run of `configs` that has not finished in `path`.

    A finished run is skipped, an interrupted one resumes from its checkpoint, and one that failed
    is left alone unless `retry_failed`; so is one whose process died three times without finishing
    a round. A run that fails does not stop the others. Runs that are kept take the label that they
    have in `configs`, so that figures find them by it.

    Args:
        configs: the runs, from `Suite.expand`.
        path: the store; created if it does not exist.
        workers: runs at once; as many as there are cores for by default, each of which takes its
            `workers_per_run`, and one in total if there is a GPU.
        threads: of each process; the cores divided by all processes by default.
        retry_failed: retry runs that failed before.
        relabel: give runs that are kept the labels of `configs`.
        if_stale: what is done with runs made from files that have changed since: `refuse` them,
            `remake` them (damaged ones too), or `accept` them.
        lease_seconds: of silence after which workers of other hosts may take these runs over.
        reporter: receives every event.

    Raises:
        ValueError: if the store cannot be written to, or another sweep is writing to it.
    """
    store = open_store(path)
    with only_sweep(store):
        outcome, queue = plan(configs, store, retry_failed=retry_failed, if_stale=if_stale)
        for config in configs:
            folder = RunFolder(store, config.id)
            if config.id in outcome.skipped and if_stale == "accept":
                settle(folder, sources_of(config), if_stale, config.keep)
            elif retry_failed and (folder.status == "failed" or tries(folder) >= LIMIT):
                forget_tries(folder)
        if relabel:
            outcome.relabelled = relabel_kept(configs, store, outcome)
        at_once = workers or default_workers(queue)
        count = min(at_once, max(len(queue), 1))
        threads = threads or default_threads(queue, at_once)
        options = WorkerOptions(if_stale, lease_seconds, stops=True)
        _Pool(store, threads, reporter, options).run_all(queue, count, outcome)
    return outcome


def default_workers(configs: Sequence[RunConfig] = ()) -> int:
    """Return how many runs are made at once by default: one per core, or one if there is a GPU.

    Of runs whose clients train in several processes as many as there are cores for.
    """
    import torch

    if torch.cuda.is_available():
        return 1
    return max(1, (os.cpu_count() or 1) // processes_per_run(configs))


def default_threads(configs: Sequence[RunConfig], workers: int) -> int:
    """Return the threads of each process by default, where so many runs are made at once."""
    return max(1, (os.cpu_count() or 1) // (workers * processes_per_run(configs)))


def processes_per_run(configs: Sequence[RunConfig]) -> int:
    """Return the most processes that clients of one of the runs train in."""
    return max((config.workers_per_run for config in configs), default=1)


class _Pool:
    """Hands runs to workers, and replaces a worker that died."""

    def __init__(
        self, store: Path, threads: int, reporter: Reporter, options: WorkerOptions
    ) -> None:
        self.store, self.threads, self.reporter, self.options = store, threads, reporter, options

    def _hire(self) -> WorkerProcess:
        return WorkerProcess(self.store, self.threads, self.options)

    def run_all(self, queue: list[RunConfig], count: int, outcome: Outcome) -> None:
        waiting = list(reversed(queue))
        workers = [self._hire() for _ in range(count if queue else 0)]
        try:
            with stopping() as stopped:
                for worker in workers:
                    self._assign(worker, waiting)
                while busy := [worker for worker in workers if worker.config is not None]:
                    ready = wait([worker.pipe for worker in busy], timeout=_LOOK)
                    for worker in busy:
                        if worker.pipe in ready and self._is_free(worker, outcome, stopped):
                            if not worker.process.is_alive() and not stopped():
                                workers[workers.index(worker)] = worker = self._hire()
                            self._assign(worker, [] if stopped() else waiting)
                        elif stopped():
                            worker.tell_to_stop()
                outcome.stopped = stopped() and bool(waiting or outcome.left)
        finally:
            for worker in workers:
                worker.end(self.store)

    def _is_free(self, worker: WorkerProcess, outcome: Outcome, stopped: StopRequest) -> bool:
        """Take a worker's next event; return whether its run has come to an end.

        A worker that was told to stop by others, as by the process that `status` names, stops all.
        """
        config, event = worker.config, worker.receive(self.store)
        assert config is not None
        self.reporter.on_event(config, event)
        if isinstance(event, Failed):
            outcome.failed[config.id] = event.message
        elif isinstance(event, LeftAlone):
            outcome.left[config.id] = event.message
            if event.stopped:
                stopped.ask()
        elif isinstance(event, Finished):
            outcome.done.append(config.id)
        return isinstance(event, Failed | LeftAlone | Finished)

    def _assign(self, worker: WorkerProcess, waiting: list[RunConfig]) -> None:
        worker.config = None
        if waiting:
            config = waiting.pop()
            self.reporter.started(config)
            worker.assign(config, "queue")
