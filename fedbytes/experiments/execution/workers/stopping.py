"""When to stop: after a signal of a scheduler, at a time, or when the parent is gone."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from fedbytes.process.told_to_stop import STOPPING


class StopRequest:
    """Says, when it is called, whether to stop.

    Args:
        seconds: after which to stop.
        parent: stop when this process is no longer the parent.
    """

    def __init__(self, seconds: float | None = None, parent: int | None = None) -> None:
        self._asked = threading.Event()
        self._end = None if seconds is None else time.monotonic() + seconds
        self._parent = parent

    def ask(self) -> None:
        """Have it say so from now on."""
        self._asked.set()

    def __call__(self) -> bool:
        """Return whether to stop."""
        late = self._end is not None and time.monotonic() >= self._end
        orphaned = self._parent is not None and os.getppid() != self._parent
        return self._asked.is_set() or late or orphaned


@contextmanager
def stopping(seconds: float | None = None, parent: int | None = None) -> Iterator[StopRequest]:
    """Yield what says whether to stop; signals are heard in the main thread alone.

    Args:
        seconds: after which to stop.
        parent: stop when this process is no longer the parent.
    """
    request = StopRequest(seconds, parent)
    is_main = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in STOPPING} if is_main else {}
    for number in before:
        signal.signal(number, lambda *_: request.ask())
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
