"""Which run a worker takes next: one that nobody makes, or whose maker has fallen silent."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.experiments.engines.plan_file import model_key
from fedbytes.experiments.store.attempts.held_run import IfRunHeld
from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.process.leases.lease import BEATS
from fedbytes.process.leases.lease_files import LeaseRecord, newest_lease

_LOOK = 0.2
_ENOUGH = 2.0  # beats after which a heart that beats has been seen to


def live_lease(root: Path) -> LeaseRecord | None:
    """Return a run's lease, None if nobody can be writing under it."""
    newest = newest_lease(root, "lease")
    return None if newest is None or newest.is_over else newest


class FreeRuns:
    """The runs that a worker may take, in the order in which it should.

    Args:
        store: the folder of runs.
        configs: in the plan's order.
    """

    def __init__(self, store: Path, configs: Sequence[RunConfig]) -> None:
        self._store, self._configs = store, list(configs)
        self._loaded = ""
        self._dropped: set[str] = set()

    def left(self) -> list[str]:
        """Return the ids of runs that have neither finished nor failed."""
        return [config.id for config in self._configs if not self._has_ended(config)]

    def drop(self, config: RunConfig) -> None:
        """Offer a run no more."""
        self._dropped.add(config.id)

    def put_back(self, config: RunConfig) -> None:
        """Offer a run after all others: somebody else was making it a moment ago."""
        self._configs.remove(config)
        self._configs.append(config)

    def take(self, wait: bool, stopped: Callable[[], bool]) -> tuple[RunConfig, IfRunHeld] | None:
        """Return the next run, None if none is left but those that others make.

        One that was free is to be left alone if somebody was faster; the holder of another has been
        quiet, and is to be watched.

        Args:
            wait: stay while others make runs.
            stopped: says whether to look no longer.
        """
        while not stopped():
            held: dict[str, LeaseRecord] = {}
            for config in self._in_turn():
                lease = live_lease(self._store / config.id)
                if lease is None:
                    self._loaded = model_key(config)
                    return config, "leave"
                held[config.id] = lease
            quiet = self._quiet(held, stopped)
            if quiet and not stopped():
                return next(one for one in self._configs if one.id in quiet), "watch"
            if not held or not wait:
                return None
        return None

    def _in_turn(self) -> Iterator[RunConfig]:
        """Yield runs that have not ended, those of the model that is loaded first.

        Each is looked at when its turn comes: a look at all of many takes long on shared folders.
        """
        same = [config for config in self._configs if model_key(config) == self._loaded]
        others = [config for config in self._configs if model_key(config) != self._loaded]
        return (config for config in (*same, *others) if not self._has_ended(config))

    def _has_ended(self, config: RunConfig) -> bool:
        """Return whether a run has ended or was dropped; one that has is not looked at again."""
        if config.id not in self._dropped:
            if RunFolder(self._store, config.id).status not in ("done", "failed"):
                return False
            self._dropped.add(config.id)
        return True

    def _quiet(self, held: dict[str, LeaseRecord], stopped: Callable[[], bool]) -> set[str]:
        """Return the runs whose holders do not beat for as long as two beats may take."""
        begun, quiet = time.monotonic(), set(held)
        longest = max((lease.seconds for lease in held.values()), default=0.0)
        while quiet and not stopped() and time.monotonic() - begun < _ENOUGH * longest / BEATS:
            time.sleep(min(_LOOK, longest / BEATS))
            for run in list(quiet):
                now = live_lease(self._store / run)
                if now is not None and now.signature != held[run].signature:
                    quiet.remove(run)
        return quiet
