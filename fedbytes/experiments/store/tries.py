"""How often a run died without getting any further: killed, or with the machine."""

from collections.abc import Iterator
from contextlib import contextmanager

from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.experiments.store.sealed_json import write_atomically

LIMIT = 3
"""Tries without a round finished, after which a run is left alone."""
_NAME = "tries"


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
        raise ValueError(died_too_often(before))
    write_atomically(folder.path / _NAME, str(before + 1))


def forget_tries(folder: RunFolder) -> None:
    """Begin to count anew: the run got further, ended, or was stopped on purpose."""
    (folder.path / _NAME).unlink(missing_ok=True)


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
    finally:
        forget_tries(folder)


def died_too_often(count: int) -> str:
    """Return what is said of a run that is left alone."""
    return (
        f"its process died {count} times without finishing a round, often for want of memory: use "
        "fewer --workers or smaller batches, then --retry-failed"
    )
