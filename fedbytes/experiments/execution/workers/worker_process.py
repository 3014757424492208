"""A worker process as its parent sees it: what it is told, and how it ends."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.experiments.execution.events import Event, Failed, LeftAlone
from fedbytes.experiments.execution.workers.lost_runs import after_death
from fedbytes.experiments.execution.workers.stopping import STOPPING
from fedbytes.experiments.execution.workers.worker import WorkerOptions, work
from fedbytes.experiments.store.attempts.held_run import IfRunHeld, forget_lease
from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.experiments.store.tries import forget_tries, note_end
from fedbytes.process.disk_errors import DiskError

_TOLD = tuple(-number for number in STOPPING)
"""Exit codes of a process that was told to stop before it could hear that."""


class WorkerProcess:
    """A worker process, the run assigned to it, and the pipe to it."""

    def __init__(self, store: Path, threads: int, asked: WorkerOptions) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        self.pipe: Connection = ours
        self.config: RunConfig | None = None
        self._told = False
        self.process: SpawnProcess = context.Process(
            target=work, args=(theirs, store, threads, asked), daemon=True
        )
        with _unimported_script(), _uninterrupted():
            self.process.start()
        theirs.close()

    def assign(self, config: RunConfig, if_held: IfRunHeld) -> None:
        """Give it a run to make."""
        self.config = config
        self.pipe.send((config, if_held))

    def tell_to_stop(self) -> None:
        """Let it finish its round and stop; said once."""
        if not self._told and self.process.pid is not None and self.process.is_alive():
            self._told = True
            os.kill(self.process.pid, signal.SIGTERM)

    def receive(self, store: Path) -> Event:
        """Return the next event of its run; that of a process that died is a failure."""
        try:
            event: Event = self.pipe.recv()
        except (EOFError, OSError):
            self.process.join()
            assert self.config is not None
            self.forget_lease(store)
            folder = RunFolder(store, self.config.id)
            with suppress(DiskError):
                note_end(folder, str(self.process.exitcode))
            if self._told or self.process.exitcode in _TOLD:
                forget_tries(folder)
                return LeftAlone("its process was stopped before it had finished a round")
            died = (
                f"the worker process died with exit code {self.process.exitcode}; -9 often means "
                "out of memory: use fewer --workers"
            )
            return Failed(after_death(folder, died))
        return event

    def end(self, store: Path) -> None:
        """End the process, on purpose: the run that it has did not fail."""
        self.process.kill()
        self.process.join()
        if self.config is not None:
            forget_tries(RunFolder(store, self.config.id))
            self.forget_lease(store)

    def forget_lease(self, store: Path) -> None:
        """Give back what the process held that has ended."""
        if self.config is not None and self.process.pid is not None:
            with suppress(OSError):
                forget_lease(store / self.config.id, self.process.pid)


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
