"""A worker process as seen by who started it: what it is told, and how it ends."""

import os
import pickle
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

_UNHEARD = ("SIGINT", "SIGTERM", "SIGUSR1", "SIGHUP")


class WorkerLostError(Exception):
    """A worker process ended without an answer.

    Attributes:
        exit_code: of the process, negative for a signal.
    """

    def __init__(self, exit_code: int) -> None:
        super().__init__(
            f"a process that trains the run's clients died with exit code {exit_code}"
            + ("; that often means out of memory: set a lower workers_per_run" * (exit_code == -9))
        )
        self.exit_code = exit_code

    def __reduce__(self) -> tuple[type["WorkerLostError"], tuple[int]]:
        """Travel between processes by the exit code."""
        return WorkerLostError, (self.exit_code,)


class _RemoteError(Exception):
    """Shows where in the worker an error came from, as the cause of that error."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


class PoolWorker:
    """A worker process and the socket to it.

    The process is a new interpreter, never a fork: threads of torch do not survive one. It ends as
    soon as the socket is closed, and with it when this process ends in whatever way.

    Args:
        modules: that it imports at once.
        files: numbers of open files that it inherits.
    """

    def __init__(self, modules: Sequence[str], files: Sequence[int] = ()) -> None:
        ours, theirs = socket.socketpair()
        with theirs, _unheard_signals():
            # Files of the current folder stand in for no module, as they do not for this process.
            command = [sys.executable, "-P", "-m", "fedbytes.process.pool.worker_main"]
            self.process = subprocess.Popen(
                [*command, str(theirs.fileno()), *modules],
                pass_fds=[theirs.fileno(), *files],
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
            )
        self._connection = Connection(ours.detach())
        self._common: Any = None

    def call(self, function: Callable[..., Any], arguments: Sequence[Any], common: Any) -> Any:
        """Return `function(kept, common, *arguments)` as the worker finds it.

        Args:
            function: of a module, so that it can be imported there.
            arguments: which are pickled.
            common: likewise, but not again if it was that of the last call.

        Raises:
            WorkerLostError: if the process has ended.
            Exception: what the function raised, with the worker's traceback as its cause.
        """
        is_new = common is not self._common
        message = (function, tuple(arguments), is_new, common if is_new else None)
        data = pickle.dumps(message, protocol=5)
        try:
            self._connection.send_bytes(data)
            self._common = common
            done, value, trace = pickle.loads(self._connection.recv_bytes())
        except (EOFError, OSError):
            raise WorkerLostError(self.process.wait()) from None
        if not done:
            raise value from _RemoteError(trace)
        return value

    def kill(self) -> None:
        """End the process; a call that waits for it is told."""
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        """Close the socket, which nobody may be using."""
        self._connection.close()


@contextmanager
def _unheard_signals() -> Iterator[None]:
    """Let processes start that hear no signal to stop, which schedulers and terminals send to all.

    Whoever started them hears it, and ends them when the round is over.
    """
    blocked = {getattr(signal, name) for name in _UNHEARD}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
