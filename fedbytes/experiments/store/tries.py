"""How often a run died without getting any further: killed, or with the machine."""

from collections.abc import Iterator
from contextlib import contextmanager

from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.experiments.store.sealed_json import write_atomically
from fedbytes.process.pool.pool_worker import WorkerLostError

LIMIT = 3
"""Tries without a round finished, after which a run is left alone."""
_NAME = "tries"
_ENDS = "ends"
UNKNOWN = "unknown"
"""The end of a process whose exit code nobody has seen."""


def tries(folder: RunFolder) -> int:
    """Return how many tries have ended without a word since the run last got further."""
    try:
        return int((folder.path / _NAME).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0


def begin_try(folder: RunFolder) -> None:
    """Count a try, until `forget_tries`.

    Raises:
        ValueError: if it would be one too many.
    """
    before = tries(folder)
    if before >= LIMIT:
        raise ValueError(died_too_often(folder))
    write_atomically(folder.path / _NAME, str(before + 1))


def forget_tries(folder: RunFolder) -> None:
    """Begin to count anew: the run got further, ended, or was stopped on purpose."""
    for name in (_NAME, _ENDS):
        (folder.path / name).unlink(missing_ok=True)


def note_end(folder: RunFolder, end: str) -> None:
    """Put down how the try that was counted last has ended: an exit code, or in a few words."""
    count = tries(folder)
    if count:
        ends = [*_ends(folder)[: count - 1], end]
        write_atomically(folder.path / _ENDS, "\n".join(ends))


def _ends(folder: RunFolder) -> list[str]:
    """Return how each of the tries has ended, as far as it is known."""
    try:
        found = (folder.path / _ENDS).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        found = []
    count = tries(folder)
    return [*found, *[UNKNOWN] * count][:count]


@contextmanager
def counted_try(folder: RunFolder, retry_failed: bool) -> Iterator[None]:
    """Count the block as a try if its process dies within it without finishing a round.

    Args:
        folder: the run's.
        retry_failed: begin to count anew.
    """
    if retry_failed:
        forget_tries(folder)
    begin_try(folder)
    try:
        yield
    except WorkerLostError as error:  # as if this process had died
        note_end(folder, str(error.exit_code))
        raise
    except BaseException:
        forget_tries(folder)
        raise
    forget_tries(folder)


def died_too_often(folder: RunFolder) -> str:
    """Return what is said of a run that is left alone."""
    return (
        f"its process died {tries(folder)} times (exit codes: {', '.join(_ends(folder))}) without "
        "finishing a round, often for want of memory: use fewer --workers, a lower "
        "workers_per_run or smaller batches, then --retry-failed"
    )
