"""When to stop: after a signal of a scheduler, at a time, or when the parent is gone."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

STOPPING = (signal.SIGTERM, signal.SIGUSR1)
"""Signals after which a round is finished and saved, and no other begins."""


@contextmanager
def stopping(
    seconds: float | None = None, parent: int | None = None
) -> Iterator[Callable[[], bool]]:
    """Yield what says whether to stop; signals are heard in the main thread alone.

    Args:
        seconds: after which to stop.
        parent: stop when this process is no longer the parent.
    """
    asked = threading.Event()
    end = None if seconds is None else time.monotonic() + seconds
    is_main = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in STOPPING} if is_main else {}
    for number in before:
        signal.signal(number, lambda *_: asked.set())

    def stopped() -> bool:
        late = end is not None and time.monotonic() >= end
        return asked.is_set() or late or (parent is not None and os.getppid() != parent)

    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
