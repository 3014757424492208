"""One process at a time in a folder that several hosts share."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fedbytes.process.leases.lease import acquire


@contextmanager
def alone_in(folder: Path, name: str, wait: bool = True) -> Iterator[None]:
    """Let one process at a time into the block, of all hosts that share `folder`.

    No lock of the file system is needed, which some of those that hosts share do not have. One that
    falls silent is replaced: what it writes must appear whole or not at all.

    Args:
        folder: where the lease is; it must exist.
        name: of what is done there.
        wait: until no other process is in the block.

    Raises:
        HeldError: if another process is in the block, and `wait` is false.
        DiskError: if the disk is full or may not be written.
    """
    lease = acquire(folder, f".{name}", if_held="wait" if wait else "leave")
    try:
        yield
    finally:
        lease.release(forget_lower=True)
