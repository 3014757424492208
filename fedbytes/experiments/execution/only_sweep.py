"""One sweep at a time starts runs in a store, on whichever hosts share it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fedbytes.process.leases.lease import HeldError, acquire
from fedbytes.process.leases.lease_files import LeaseRecord

_SECONDS = 60.0  # of silence after which a sweep of another host is taken for lost


@contextmanager
def only_sweep(store: Path) -> Iterator[None]:
    """Let one sweep at a time into the block; no lock of the file system is needed.

    Args:
        store: the folder of runs, which exists.

    Raises:
        ValueError: if another sweep is writing to it.
        DiskError: if the disk is full or may not be written.
    """
    try:
        lease = acquire(store, ".sweep", seconds=_SECONDS, on_wait=_refuse_if_here)
    except HeldError:
        raise ValueError(
            f"another sweep is writing to {str(store)!r}; wait for it, or choose another folder "
            "with --out"
        ) from None
    try:
        yield
    finally:
        lease.release(forget_lower=True)


def _refuse_if_here(lease: LeaseRecord, _: float) -> None:
    """Do not wait for the heart of a process that is seen to be there."""
    if lease.holder.is_here:
        raise HeldError("another sweep is running on this host")
