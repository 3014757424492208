"""A worker as an engine's task calls it: a command of its own, which ends with the task."""

import os
import subprocess
from collections.abc import Sequence
from contextlib import suppress


def call_worker(command: Sequence[str], folder: str, log: str) -> int:
    """Call a worker's command and return its exit code; a task that is cancelled stops it.

    The worker finishes its round first. It also stops when this process is gone.

    Args:
        command: of the worker.
        folder: where it is called.
        log: file that its output is added to.
    """
    words = [*command, "--parent", str(os.getpid())]
    with open(log, "ab") as file:  # noqa: PTH123
        worker = subprocess.Popen(words, cwd=folder, stdout=file, stderr=file)
    try:
        return worker.wait()
    finally:
        if worker.poll() is None:
            with suppress(ProcessLookupError):
                worker.terminate()
            worker.wait()
