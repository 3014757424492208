"""Several worker processes, each of which builds the same thing once and keeps it."""

import os
import queue
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from fedbytes.process.pool.pool_worker import PoolWorker

PoolCall = tuple[Sequence[Any], Any]
"""The arguments of a call, and what it shares with others (see `PoolWorker.call`)."""


class WorkerPool:
    """Worker processes that answer calls; whoever is free takes the next.

    Leave it by `close`, or as a context manager: then no process is left.

    Args:
        count: how many.
        modules: that each imports at once.
        files: numbers of open files that they inherit.

    Raises:
        ValueError: where processes cannot share sockets (on Windows).
    """

    def __init__(self, count: int, modules: Sequence[str], files: Sequence[int] = ()) -> None:
        if os.name != "posix":
            raise ValueError(f"workers_per_run={count} needs Linux or macOS: set it to 1")
        self.count = count
        self._workers: list[PoolWorker] = []
        self._threads = ThreadPoolExecutor(count)  # one waits for each worker
        self._free: queue.SimpleQueue[PoolWorker] = queue.SimpleQueue()
        try:
            for _ in range(count):
                self._workers.append(PoolWorker(modules, files))
        except BaseException:
            self.close()
            raise
        for worker in self._workers:
            self._free.put(worker)

    @property
    def processes(self) -> list[int]:
        """The numbers of the processes."""
        return [worker.process.pid for worker in self._workers]

    def everywhere(self, function: Callable[..., Any], *arguments: Any) -> list[Any]:
        """Return what a function gives in each worker, while no other call is under way."""
        calls = [
            self._threads.submit(worker.call, function, arguments, None) for worker in self._workers
        ]
        return [call.result() for call in calls]

    def map(self, function: Callable[..., Any], calls: Iterable[PoolCall]) -> Iterator[Any]:
        """Yield what a function gives for each call, in their order.

        Calls are taken up to twice as many ahead as there are workers, so that a worker that is
        free has its next, and no more answers are held.

        Raises:
            WorkerLostError: if a process has ended.
            Exception: what the function raised, of the first call that failed.
        """
        waiting: deque[Future[Any]] = deque()
        try:
            for arguments, common in calls:
                waiting.append(self._threads.submit(self._call, function, arguments, common))
                if len(waiting) == 2 * self.count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for call in waiting:
                call.cancel()

    def _call(self, function: Callable[..., Any], arguments: Sequence[Any], common: Any) -> Any:
        worker = self._free.get()
        try:
            return worker.call(function, arguments, common)
        finally:
            self._free.put(worker)

    def close(self) -> None:
        """End all processes."""
        for worker in self._workers:
            worker.kill()
        self._threads.shutdown(cancel_futures=True)
        for worker in self._workers:
            worker.close()

    def __enter__(self) -> "WorkerPool":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
