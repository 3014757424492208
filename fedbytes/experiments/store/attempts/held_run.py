"""A run's folder, held by a lease while it is written: one writer at a time, on any host."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from filelock import FileLock

from fedbytes.experiments.store.attempts.attempt_folders import (
    attempt_folder,
    newest_attempt,
    remove_older,
)
from fedbytes.experiments.store.attempts.take_over import take_over
from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.experiments.store.sealed_json import ROOM
from fedbytes.process.disk_errors import explained_disk_errors
from fedbytes.process.leases.lease import Lease, acquire, give_back
from fedbytes.process.leases.lease_files import (
    LEASE_SECONDS,
    LeaseRecord,
    newest_lease,
    read_leases,
)

IfRunHeld = Literal["queue", "watch", "leave"]
"""What is done while another process makes a run; see `held_run`."""


@contextmanager
def held_run(
    root: Path,
    *,
    seconds: float = LEASE_SECONDS,
    if_held: IfRunHeld = "queue",
    on_wait: Callable[[LeaseRecord, float], None] | None = None,
) -> Iterator[tuple[Lease, RunFolder]]:
    """Hold a run's lease for the block; yield it, and the folder to write to.

    Args:
        root: the run's own folder; made if there is none.
        seconds: of silence after which others may take the run over.
        if_held: what to do while another process makes the run: `queue` behind those of this host,
            and `watch` others; `watch` all; or `leave` it alone at once.
        on_wait: called while it is not known whether the holder is alive.

    Raises:
        HeldError: if another process is making the run.
        DiskError: if the disk is full or may not be written.
    """
    with explained_disk_errors(root, ROOM):
        root.mkdir(parents=True, exist_ok=True)
    if if_held == "queue":
        with FileLock(root / ".lock"), _held(root, seconds, "watch", on_wait) as held:
            yield held
    else:
        with _held(root, seconds, if_held, on_wait) as held:
            yield held


@contextmanager
def _held(
    root: Path,
    seconds: float,
    if_held: Literal["watch", "leave"],
    on_wait: Callable[[LeaseRecord, float], None] | None,
) -> Iterator[tuple[Lease, RunFolder]]:
    before = newest_lease(root, "lease")
    lease = _newest_to_hold(root, seconds, if_held, on_wait)
    path, apart = newest_attempt(root)[1], False
    try:
        if not lease.clean:
            silent = f"{before.holder} fell silent" if before else "it fell silent"
            path = take_over(root, lease.number, silent)
            apart = True
        folder = RunFolder(root.parent, root.name, path)
        yield lease, folder
        if folder.status == "done":
            lease.check()
            remove_older(root, newest_attempt(root)[0])
    finally:
        lease.release(forget_lower=lease.clean or apart)


def _newest_to_hold(
    root: Path,
    seconds: float,
    if_held: Literal["watch", "leave"],
    on_wait: Callable[[LeaseRecord, float], None] | None,
) -> Lease:
    """Take the lease, and take it again where another attempt has ended meanwhile."""
    while True:
        least, _ = newest_attempt(root)
        lease = acquire(root, seconds=seconds, least=least, if_held=if_held, on_wait=on_wait)
        if newest_attempt(root)[0] <= lease.number:
            return lease
        lease.release(forget_lower=True)


def forget_lease(root: Path, pid: int) -> None:
    """Remove the lease of a process of this host that is known to have ended, and was ours.

    Args:
        root: the run's own folder.
        pid: the process.
    """
    records = read_leases(root, "lease")
    newest = records[-1] if records else None
    if newest is None or newest.holder.pid != pid or not newest.holder.is_gone:
        return
    apart = attempt_folder(root, newest.number).exists()
    if apart or all(one.is_over for one in records):
        give_back(newest, {}, forget_lower=True)
