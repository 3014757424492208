"""A worker process: makes one run after another, and sends its parent their events."""

import os
import signal
import threading
import traceback
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path

from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.experiments.execution.events import Failed, Finished, LeftAlone
from fedbytes.experiments.execution.reuse import IfStale
from fedbytes.experiments.execution.workers.lost_runs import after_death
from fedbytes.experiments.execution.workers.stopping import STOPPING
from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.experiments.store.sealed_json import ROOM
from fedbytes.experiments.store.tries import forget_tries
from fedbytes.process.disk_errors import DiskError, disk_reason
from fedbytes.process.leases.lease import NotOursError
from fedbytes.process.leases.lease_files import LEASE_SECONDS
from fedbytes.process.pool.pool_worker import WorkerLostError


@dataclass(frozen=True)
class WorkerOptions:
    """How a worker makes its runs; see `run`.

    `stops` says whether it finishes its round on a signal; without it, a signal ends it at once.
    """

    if_stale: IfStale = "refuse"
    lease_seconds: float = LEASE_SECONDS
    stops: bool = False


def work(connection: Connection, store: Path, threads: int, asked: WorkerOptions) -> None:
    """Make each run that arrives on `connection` until None does; the body of a worker."""
    stop = threading.Event()
    for number in STOPPING if asked.stops else ():
        signal.signal(number, lambda *_: stop.set())
    current: list[RunFolder] = []
    threading.Thread(target=_die_with_parent, args=(current,), daemon=True).start()
    import torch

    from fedbytes.experiments.execution.runner import RunStoppedError, run

    while (assigned := connection.recv()) is not None:
        config, if_held = assigned
        torch.set_num_threads(threads)
        current[:] = [RunFolder(store, config.id)]
        try:
            run(
                config,
                store,
                on_event=connection.send,
                if_stale=asked.if_stale,
                lease_seconds=asked.lease_seconds,
                if_held=if_held,
                stop=stop.is_set,
            )
        except (NotOursError, RunStoppedError) as error:
            connection.send(LeftAlone(str(error)))
        except WorkerLostError as error:
            connection.send(Failed(after_death(RunFolder(store, config.id), str(error))))
        except Exception as error:
            of_disk = disk_error(error, store) is not None
            connection.send(Failed(record_failure(config, store, error), of_disk))
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
