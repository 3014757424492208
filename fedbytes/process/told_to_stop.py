"""Signals of schedulers, and what a command does that is told to stop before it has begun.

It imports nothing of the project: it is in place before anything else is imported.
"""

import signal
import sys
from types import FrameType

STOPPING = (signal.SIGTERM, signal.SIGUSR1)
"""Signals after which a round is finished and saved, and no other begins."""
STOPPED = 75
"""Exit code of a command that was told to stop before all was done, EX_TEMPFAIL: call it again."""
_VERBS = ("sweep", "run", "work", "tune")


def end_if_told_early() -> None:
    """End this command with code 75 on a signal, until what it runs hears signals itself.

    Imports take seconds, and fetching may take minutes: nothing is in hand by then, and whoever
    sent the signal is to call the command again, as after a round that was saved.
    """
    if sys.argv[1:2] and sys.argv[1] in _VERBS:
        for number in STOPPING:
            signal.signal(number, _end)


def _end(_: int, __: FrameType | None) -> None:
    sys.exit(STOPPED)
