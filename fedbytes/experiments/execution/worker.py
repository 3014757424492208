"""A worker process: makes one run after another, and sends its parent their events."""

import os
import threading
import traceback
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path

from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.experiments.execution.events import Failed, Finished
from fedbytes.experiments.store.run_folder import RunFolder


def work(connection: Connection, store: Path, threads: int) -> None:
    """Make each run that arrives on `connection` until None does; the body of a worker."""
    threading.Thread(target=_die_with_parent, daemon=True).start()
    import torch

    from fedbytes.experiments.execution.runner import run

    while (config := connection.recv()) is not None:
        torch.set_num_threads(threads)
        try:
            run(config, store, on_event=connection.send)
        except Exception as error:
            connection.send(Failed(record_failure(config, store, error)))
        else:
            connection.send(Finished())


def record_failure(config: RunConfig, store: Path, error: Exception) -> str:
    """Write the error and its traceback into the run's folder; return its one line."""
    message = " ".join(f"{type(error).__name__}: {error}".split())
    trace = "".join(traceback.format_exception(error))
    RunFolder(store, config.id).fail(message, trace)
    return message


def _die_with_parent() -> None:
    """End this process as soon as its parent is gone: another sweep may write to the store."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
