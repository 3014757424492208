"""A worker process: makes one run after another, and sends its parent their events."""

import os
import signal
import threading
import traceback
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path

from fedbytes.experiments.execution.events import Failed, Finished, LeftAlone
from fedbytes.experiments.execution.reuse import IfStale
from fedbytes.experiments.execution.workers.lost_runs import after_death
from fedbytes.experiments.execution.workers.stopped_runs import RunStoppedError
from fedbytes.experiments.store.attempts.held_run import held_to_note
from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.experiments.store.sealed_json import ROOM
from fedbytes.experiments.store.tries import forget_tries
from fedbytes.process.disk_errors import DiskError, disk_reason
from fedbytes.process.leases.holder import this_process
from fedbytes.process.leases.lease import NotOursError
from fedbytes.process.leases.lease_files import LEASE_SECONDS, newest_lease
from fedbytes.process.pool.pool_worker import WorkerLostError
from fedbytes.process.told_to_stop import STOPPING


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
    current: list[Path] = []
    threading.Thread(target=_die_with_parent, args=(current,), daemon=True).start()
    import torch

    from fedbytes.experiments.execution.runner import run

    while (assigned := connection.recv()) is not None:
        config, if_held = assigned
        torch.set_num_threads(threads)
        current[:] = [store / config.id]
        told: list[Failed] = []
        try:
            run(
                config,
                store,
                on_event=connection.send,
                if_stale=asked.if_stale,
                lease_seconds=asked.lease_seconds,
                if_held=if_held,
                stop=stop.is_set,
                on_failure=partial(_tell_and_record, told),
            )
        except NotOursError as error:
            connection.send(LeftAlone(str(error)))
        except RunStoppedError as error:
            connection.send(LeftAlone(str(error), stopped=True))
        except Exception as error:
            connection.send(told[0] if told else _record_unheld(store / config.id, error))
        else:
            connection.send(Finished())
        current.clear()


def _tell_and_record(told: list[Failed], folder: RunFolder, error: Exception) -> None:
    told.append(record_failure(folder, error))


def record_failure(folder: RunFolder, error: Exception) -> Failed:
    """Write the error and its traceback into a run's folder, whose lease is ours.

    What a full or closed disk refuses is no failure of the run, which goes on when there is room.
    A process that died is one after the last try.
    """
    if isinstance(error, WorkerLostError):
        return Failed(after_death(folder, str(error)))
    disk = disk_error(error, folder.path)
    if disk is not None:
        return Failed(str(disk), of_disk=True)
    message = " ".join(f"{type(error).__name__}: {error}".split())
    trace = "".join(traceback.format_exception(error))
    try:
        folder.fail(message, trace)
    except DiskError as full:
        return Failed(f"{message} ({full})")
    return Failed(message)


def _record_unheld(root: Path, error: Exception) -> Failed | LeftAlone:
    """Write down what failed before the run was held, unless another process makes it."""
    disk = disk_error(error, root)
    if disk is not None:
        return Failed(str(disk), of_disk=True)
    try:
        with held_to_note(root) as folder:
            return record_failure(folder, error)
    except NotOursError as held:
        return LeftAlone(str(held))
    except (OSError, DiskError) as full:
        return Failed(f"{type(error).__name__}: {error} ({full})")


def disk_error(error: Exception, store: Path) -> DiskError | None:
    """Return what to say of an error if it is the disk's, None if it is another."""
    if isinstance(error, DiskError):
        return error
    reason, file = disk_reason(error), getattr(error, "filename", None)
    if reason is None or (file is not None and "denied" in reason):  # a file that cannot be read
        return None
    return DiskError(f"cannot write {file or store} ({reason}): {ROOM}")


def _die_with_parent(current: list[Path]) -> None:
    """End this process as soon as its parent is gone: another sweep may write to the store."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        with suppress(OSError):
            for root in current:  # the run did not die of itself
                lease = newest_lease(root, "lease")
                if lease is not None and lease.holder == this_process():
                    forget_tries(RunFolder(root.parent, root.name))
        os._exit(1)
