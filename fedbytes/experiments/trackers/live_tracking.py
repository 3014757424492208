"""Tracks a store while runs are made in it, from a process that no run waits for."""

import multiprocessing
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.synchronize import Event
from pathlib import Path

from fedbytes.experiments.store.attempts.files_below import files_below
from fedbytes.experiments.trackers.track_store import track_store, tracker_of

Track = Callable[[Path, str], object]
EVERY_SECONDS = 5.0
PATIENCE_SECONDS = 60.0
"""How long the last export may take after the runs have ended."""


@contextmanager
def tracking(
    store: Path,
    name: str | None,
    on_trouble: Callable[[str], None],
    *,
    track: Track = track_store,
    patience: float | None = None,
) -> Iterator[None]:
    """Within the block write a store's runs for a tracker as they advance, and once at the end.

    The block neither waits for the tracker nor hears of its errors. At its end a tracker that has
    not written all after `patience` is ended.

    Args:
        store: the folder of runs.
        name: of the tracker; None for no tracking.
        on_trouble: called at the end with a line, if the tracker did not write all.
        track: what writes.
        patience: in seconds; by default `PATIENCE_SECONDS`.

    Raises:
        ValueError: before the block, for an unknown tracker or one that is not installed.
    """
    if name is None:
        yield
        return
    most = PATIENCE_SECONDS if patience is None else patience
    if track is track_store:
        tracker_of(name)
    context = multiprocessing.get_context("spawn")
    over = context.Event()
    follower = context.Process(target=_follow, args=(store, name, over, track), daemon=True)
    follower.start()
    try:
        yield
    finally:
        over.set()
        follower.join(most)
        late = follower.is_alive()
        if late:
            follower.kill()
            follower.join()
        if late or follower.exitcode:
            why = f"had not written all after {most:g} s" if late else "failed"
            on_trouble(f"tracker {name!r} {why}: `fedbytes track {store} --to {name}` does")


def _follow(store: Path, name: str, over: Event, track: Track) -> None:
    """Write the store whenever it has other rows than before, until it is over.

    What fails is tried again, as the store may just have been written to; at the end it is final.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's
    warnings.simplefilter("ignore")  # which the parent gives too
    seen: object = None
    while True:
        last = over.is_set()
        try:
            now = _rows_of(store)
            if now != seen:
                track(store, name)
                seen = now
        except Exception:
            if last:
                sys.exit(1)
        if last:
            return
        over.wait(EVERY_SECONDS)


def _rows_of(store: Path) -> dict[str, int]:
    """Return how many rows each run has."""
    rows: dict[str, int] = {}
    for path in files_below(store, ("rounds.jsonl",)):
        with suppress(FileNotFoundError, NotADirectoryError):  # it has just been replaced
            rows[str(path.relative_to(store))] = path.read_bytes().count(b"\n")
    return rows
