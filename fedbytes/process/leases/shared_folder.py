"""One process at a time in a folder that several hosts share."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fedbytes.process.leases.lease import acquire


@contextmanager
def alone_in(folder: Path, name: str) -> Iterator[None]:
    """Let one process at a time into the block, of all hosts that share `folder`.

    One that falls silent is replaced: what it writes must appear whole or not at all.

    Args:
        folder: where the lease is; it must exist.
        name: of what is done there.

    Raises:
        DiskError: if the disk is full or may not be written.
    """
    lease = acquire(folder, f".{name}", if_held="wait")
    try:
        yield
    finally:
        lease.release(forget_lower=True)
