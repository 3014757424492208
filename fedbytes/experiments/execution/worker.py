"""A worker process: makes one run after another, and sends its parent their events."""

import os
import threading
import traceback
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path

from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.experiments.execution.events import Failed, Finished
from fedbytes.experiments.execution.reuse import IfStale
from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.experiments.store.sealed_json import ROOM
from fedbytes.experiments.store.tries import forget_tries
from fedbytes.process.disk_errors import DiskError, disk_reason


def work(connection: Connection, store: Path, threads: int, if_stale: IfStale) -> None:
    """Make each run that arrives on `connection` until None does; the body of a worker."""
    current: list[RunFolder] = []
    threading.Thread(target=_die_with_parent, args=(current,), daemon=True).start()
    import torch

    from fedbytes.experiments.execution.runner import run

    while (config := connection.recv()) is not None:
        torch.set_num_threads(threads)
        current[:] = [RunFolder(store, config.id)]
        try:
            run(config, store, on_event=connection.send, if_stale=if_stale)
        except Exception as error:
            connection.send(Failed(record_failure(config, store, error)))
        else:
            connection.send(Finished())
        current.clear()


def record_failure(config: RunConfig, store: Path, error: Exception) -> str:
    """Write the error and its traceback into the run's folder; return its one line.

    What a full or closed disk refuses is no failure of the run, which goes on when there is room.
    """
    disk = disk_error(error, store)
    if disk is not None:
        return str(disk)
    message = " ".join(f"{type(error).__name__}: {error}".split())
    trace = "".join(traceback.format_exception(error))
    try:
        RunFolder(store, config.id).fail(message, trace)
    except DiskError as full:
        return f"{message} ({full})"
    return message


def disk_error(error: Exception, store: Path) -> DiskError | None:
    """Return what to say of an error if it is the disk's, None if it is another."""
    if isinstance(error, DiskError):
        return error
    reason, file = disk_reason(error), getattr(error, "filename", None)
    if reason is None or (file is not None and "denied" in reason):  # a file that cannot be read
        return None
    return DiskError(f"cannot write {file or store} ({reason}): {ROOM}")


def _die_with_parent(current: list[RunFolder]) -> None:
    """End this process as soon as its parent is gone: another sweep may write to the store."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        for folder in current:  # the run did not die of itself
            forget_tries(folder)
        os._exit(1)
