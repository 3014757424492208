"""Sweeps: worker processes make every run of a suite, each once."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, Protocol

from filelock import FileLock, Timeout

from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.experiments.execution.events import Advanced, Event, Failed, Noticed, Preparing
from fedbytes.experiments.execution.reuse import IfStale, settle
from fedbytes.experiments.execution.run_sources import sources_of
from fedbytes.experiments.execution.sweep_plan import Outcome, plan, relabel_kept
from fedbytes.experiments.execution.worker import work
from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.experiments.store.tries import LIMIT, died_too_often, forget_tries, tries
from fedbytes.process.disk_errors import DiskError


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
        probe = store / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ValueError(
            f"cannot write to {str(store)!r} ({error.strerror}); choose another folder with --out"
        ) from None
    return store


def sweep(
    configs: Sequence[RunConfig],
    path: str | Path,
    *,
    workers: int | None = None,
    threads: int | None = None,
    retry_failed: bool = False,
    relabel: bool = True,
    if_stale: IfStale = "refuse",
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
        workers: processes; one per core by default, one in total if there is a GPU.
        threads: threads per worker; the cores divided by the workers by default.
        retry_failed: retry runs that failed before.
        relabel: give runs that are kept the labels of `configs`.
        if_stale: what is done with runs made from files that have changed since: `refuse` them,
            `remake` them (damaged ones too), or `accept` them.
        reporter: receives every event.

    Raises:
        ValueError: if the store cannot be written to, or another sweep is writing to it.
    """
    store = open_store(path)
    lock = FileLock(store / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ValueError(
            f"another sweep is writing to {str(store)!r}; wait for it, or choose another folder "
            "with --out"
        ) from None
    try:
        outcome, queue = plan(configs, store, retry_failed=retry_failed, if_stale=if_stale)
        for config in configs:
            folder = RunFolder(store, config.id)
            if config.id in outcome.skipped and if_stale == "accept":
                settle(folder, sources_of(config), if_stale, config.keep)
            elif retry_failed and (folder.status == "failed" or tries(folder) >= LIMIT):
                forget_tries(folder)
        if relabel:
            outcome.relabelled = relabel_kept(configs, store, outcome)
        count = min(workers or default_workers(), max(len(queue), 1))
        cores = os.cpu_count() or 1
        threads = threads or max(1, cores // (workers or default_workers()))
        pool = _Pool(store, threads, reporter, if_stale)
        pool.run_all(queue, count, outcome)
    finally:
        lock.release()
    return outcome


def default_workers() -> int:
    """Return one worker per core, or one in total if there is a GPU to share."""
    import torch

    return 1 if torch.cuda.is_available() else os.cpu_count() or 1


class _Worker:
    """A worker process, the run assigned to it, and the pipe to it."""

    def __init__(self, store: Path, threads: int, if_stale: IfStale) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        self.pipe: Connection = ours
        self.config: RunConfig | None = None
        self.process: SpawnProcess = context.Process(
            target=work, args=(theirs, store, threads, if_stale), daemon=True
        )
        with _unimported_script(), _uninterrupted():
            self.process.start()
        theirs.close()


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let processes start that Ctrl-C does not reach: the terminal sends it to all of them.

    The parent stops its workers; a worker that heard it as well would print its own traceback.
    What is pressed meanwhile reaches the parent afterwards.
    """
    if not hasattr(signal, "pthread_sigmask"):  # on Windows
        yield
        return
    resource_tracker.ensure_running()  # whose own start lets the signal through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _unimported_script() -> Iterator[None]:
    """Let processes start without running the caller's script a second time.

    A spawned process imports `__main__` for what is pickled from there, and workers are sent
    nothing from it: so a script that sweeps needs no `if __name__ == "__main__"`.
    """
    main: Any = sys.modules["__main__"]
    hidden = {name: vars(main).pop(name) for name in ("__file__",) if name in vars(main)}
    spec, main.__spec__ = main.__spec__, None
    try:
        yield
    finally:
        main.__spec__ = spec
        vars(main).update(hidden)


class _Pool:
    """Hands runs to workers, and replaces a worker that died."""

    def __init__(
        self, store: Path, threads: int, reporter: Reporter, if_stale: IfStale = "refuse"
    ) -> None:
        self.store, self.threads, self.reporter = store, threads, reporter
        self.if_stale = if_stale

    def _hire(self) -> _Worker:
        return _Worker(self.store, self.threads, self.if_stale)

    def run_all(self, queue: list[RunConfig], count: int, outcome: Outcome) -> None:
        waiting = list(reversed(queue))
        workers = [self._hire() for _ in range(count if queue else 0)]
        try:
            for worker in workers:
                self._assign(worker, waiting)
            while busy := [worker for worker in workers if worker.config is not None]:
                for pipe in wait([worker.pipe for worker in busy]):
                    worker = next(w for w in busy if w.pipe is pipe)
                    event = self._receive(worker)
                    config = worker.config
                    assert config is not None
                    self.reporter.on_event(config, event)
                    if isinstance(event, Advanced | Preparing | Noticed):
                        continue
                    if isinstance(event, Failed):
                        outcome.failed[config.id] = event.message
                    else:
                        outcome.done.append(config.id)
                    if not worker.process.is_alive():
                        workers[workers.index(worker)] = worker = self._hire()
                    self._assign(worker, waiting)
        finally:
            for worker in workers:
                worker.process.kill()
                worker.process.join()
                if worker.config is not None:  # stopped on purpose
                    forget_tries(RunFolder(self.store, worker.config.id))

    def _assign(self, worker: _Worker, waiting: list[RunConfig]) -> None:
        worker.config = waiting.pop() if waiting else None
        if worker.config is not None:
            self.reporter.started(worker.config)
            worker.pipe.send(worker.config)

    def _receive(self, worker: _Worker) -> Event:
        try:
            event: Event = worker.pipe.recv()
        except EOFError:
            worker.process.join()
            assert worker.config is not None
            folder = RunFolder(self.store, worker.config.id)
            message = _died(folder, worker.process.exitcode)
            if tries(folder) >= LIMIT:
                with suppress(DiskError):
                    folder.fail(message, "")
            return Failed(message)
        return event


def _died(folder: RunFolder, code: int | None) -> str:
    """Return what is said of a run whose process died, and of what follows."""
    count = tries(folder)
    message = (
        f"the worker process died with exit code {code}; -9 often means out of memory: use fewer "
        "--workers"
    )
    if count >= LIMIT:
        return f"{message}; {died_too_often(count)}"
    goes_on = "from its checkpoint" if folder.state.exists() else "from its beginning"
    return f"{message}; the same command goes on {goes_on} (try {count} of {LIMIT} ended)"
