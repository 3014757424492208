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
from fedbytes.experiments.execution.workers.worker import WorkerOptions, work
from fedbytes.experiments.store.attempts.held_run import (
    IfRunHeld,
    held_to_note,
    left_behind,
)
from fedbytes.experiments.store.tries import forget_tries, note_end
from fedbytes.process.disk_errors import DiskError
from fedbytes.process.leases.lease import NotOursError
from fedbytes.process.leases.lease_files import newest_lease
from fedbytes.process.told_to_stop import STOPPING

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
            return self._after_death(store)
        return event

    def _after_death(self, store: Path) -> Event:
        """Put down how the process ended, if the run is still its own; say what became of it."""
        assert self.config is not None
        code, root = self.process.exitcode, store / self.config.id
        died = (
            f"the worker process died with exit code {code}; -9 often means out of memory: use "
            "fewer --workers"
        )
        stopped = None
        if self._told or code in _TOLD:
            why = "its process was stopped before it had finished a round"
            stopped = LeftAlone(why, stopped=True)
        if not left_behind(root, self.process.pid):
            lease = newest_lease(root, "lease")
            if lease is not None and not lease.is_over:
                return stopped or LeftAlone(f"it was taken over by {lease.holder}")
            return stopped or Failed(f"{died}; it had not begun the run", unbegun=True)
        try:
            with held_to_note(root) as folder:
                if stopped:
                    forget_tries(folder)
                    return stopped
                note_end(folder, str(code))
                return Failed(after_death(folder, died))
        except NotOursError as error:
            return stopped or LeftAlone(str(error))
        except (OSError, DiskError) as error:
            return stopped or Failed(f"{died} ({error})")

    def end(self, store: Path) -> None:
        """End the process, on purpose: the run that it has did not fail."""
        self.process.kill()
        self.process.join()
        if self.config is None or not left_behind(store / self.config.id, self.process.pid):
            return
        with suppress(OSError, ValueError), held_to_note(store / self.config.id) as folder:
            forget_tries(folder)


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
