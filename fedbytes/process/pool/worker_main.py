"""The body of a worker process: it builds what it keeps, and calls functions on that.

It is started as `python -m fedbytes.process.pool.worker_main SOCKET MODULE …`, which imports the
modules while whoever started it is still busy. Each message is a pickled function with its
arguments; the first of these is what the worker keeps, which begins as nothing.
"""

import importlib
import os
import pickle
import select
import sys
import threading
import traceback
from multiprocessing.connection import Connection
from typing import Any


def serve_calls() -> None:
    """Answer calls until the other end of the socket is closed."""
    connection = Connection(int(sys.argv[1]))
    threading.Thread(target=_end_with_parent, args=(connection.fileno(),), daemon=True).start()
    for module in sys.argv[2:]:
        importlib.import_module(module)
    kept: dict[str, Any] = {}
    known: Any = None
    while True:
        try:
            message = connection.recv_bytes()
        except (EOFError, OSError):
            os._exit(0)
        try:
            function, arguments, is_new, common = pickle.loads(message)
            known = common if is_new else known
            answer = pickle.dumps((True, function(kept, known, *arguments), ""), protocol=5)
        except Exception as error:  # it is raised where the call came from
            answer = _failure(error)
        try:
            connection.send_bytes(answer)
        except OSError:
            os._exit(0)


def _failure(error: Exception) -> bytes:
    trace = "".join(traceback.format_exception(error))
    try:
        data = pickle.dumps((False, error, trace), protocol=5)
        pickle.loads(data)
    except Exception:  # of a class that does not travel, such as one of a plug-in file
        named = RuntimeError(f"{type(error).__name__}: {error}")
        return pickle.dumps((False, named, trace), protocol=5)
    return data


def _end_with_parent(socket: int) -> None:
    """End this process as soon as the other end is closed, whatever it is doing."""
    hanging_up = select.poll()
    hanging_up.register(socket, 0)  # that alone is reported, and not what can be read
    hanging_up.poll()
    os._exit(0)


if __name__ == "__main__":
    serve_calls()
