"""For how long a beat has not changed, by the watcher's own clock."""

import math
import time
from collections.abc import Callable


class Silence:
    """Counts how long something has looked the same.

    Hosts' clocks are never compared: what counts is this process's monotonic clock between its own
    looks. A watcher that was itself frozen counts no more than `most` between two looks, so that a
    machine that stood still as a whole does not find everybody silent when it goes on.

    Args:
        most: seconds that count between two looks at most: a few times what lies between them.
        clock: returns seconds that only grow.
    """

    def __init__(self, most: float = math.inf, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = most, clock
        self._seen: dict[str, tuple[bytes, float, float]] = {}

    def of(self, name: str, signature: bytes, most: float | None = None) -> float:
        """Return for how many seconds `name` has had this signature at every look.

        Args:
            name: of what is looked at.
            signature: what it looks like.
            most: seconds that count since the last look at most, if not those of all.
        """
        now = self._clock()
        before, last, silent = self._seen.get(name, (b"", now, 0.0))
        counted = min(now - last, self._most if most is None else most)
        silent = silent + counted if before == signature else 0.0
        self._seen[name] = signature, now, silent
        return silent
