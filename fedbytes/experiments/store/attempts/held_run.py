"""A run's folder, held by a lease while it is written: one writer at a time, on any host."""

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from fedbytes.experiments.store.attempts.attempt_folders import newest_attempt, remove_older
from fedbytes.experiments.store.attempts.take_over import take_over
from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.experiments.store.sealed_json import ROOM
from fedbytes.process.disk_errors import explained_disk_errors
from fedbytes.process.leases.lease import Lease, acquire
from fedbytes.process.leases.lease_files import LEASE_SECONDS, LeaseRecord, newest_lease

IfRunHeld = Literal["queue", "watch", "leave"]
"""What is done while another process makes a run; see `held_run`."""
_LOOK = 1.0  # seconds in a queue between two questions whether to stay there
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)  # of file systems without locks


@contextmanager
def held_run(
    root: Path,
    *,
    seconds: float = LEASE_SECONDS,
    if_held: IfRunHeld = "queue",
    on_wait: Callable[[LeaseRecord, float], None] | None = None,
    in_queue: Callable[[], None] = lambda: None,
) -> Iterator[tuple[Lease, RunFolder]]:
    """Hold a run's lease for the block; yield it, and the folder to write to.

    Args:
        root: the run's own folder; made if there is none.
        seconds: of silence after which others may take the run over.
        if_held: what to do while another process makes the run: `queue` behind those of this host,
            and `watch` others; `watch` all; or `leave` it alone at once.
        on_wait: called while it is not known whether the holder is alive; what it raises ends that.
        in_queue: the same, while another process of this host is before us.

    Raises:
        HeldError: if another process is making the run.
        DiskError: if the disk is full or may not be written.
    """
    with explained_disk_errors(root, ROOM):
        root.mkdir(parents=True, exist_ok=True)
    if if_held == "queue":
        with _turn(root, in_queue), _held(root, seconds, "watch", on_wait) as held:
            yield held
    else:
        with _held(root, seconds, if_held, on_wait) as held:
            yield held


@contextmanager
def _turn(root: Path, in_queue: Callable[[], None]) -> Iterator[None]:
    """Wait behind other processes of this host; where there are no locks the lease is enough."""
    lock = FileLock(root / ".lock")
    while not lock.is_locked:
        try:
            lock.acquire(timeout=_LOOK)
        except Timeout:
            in_queue()
        except (OSError, NotImplementedError) as error:
            if isinstance(error, OSError) and error.errno not in _NO_LOCKS:
                raise
            break
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _held(
    root: Path,
    seconds: float,
    if_held: Literal["watch", "leave"],
    on_wait: Callable[[LeaseRecord, float], None] | None,
) -> Iterator[tuple[Lease, RunFolder]]:
    before = newest_lease(root, "lease")
    lease = _newest_to_hold(root, seconds, if_held, on_wait)
    path, apart, anew = newest_attempt(root)[1], False, ""
    try:
        if not lease.clean:
            silent = f"{before.holder} fell silent" if before else "it fell silent"
            path, anew = take_over(root, lease.number, silent)
            apart = True
        folder = RunFolder(root.parent, root.name, path)
        folder.anew = anew
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


@contextmanager
def held_to_note(root: Path) -> Iterator[RunFolder]:
    """Hold a run's lease to put down what became of it; yield the attempt that counts.

    What is put down without the lease would be in the way of whoever makes the run by then.

    Args:
        root: the run's own folder; made if there is none.

    Raises:
        HeldError: if another process is making the run.
        DiskError: if the disk is full or may not be written.
    """
    with explained_disk_errors(root, ROOM):
        root.mkdir(parents=True, exist_ok=True)
    lease = _newest_to_hold(root, LEASE_SECONDS, "leave", None)
    try:
        yield RunFolder(root.parent, root.name, newest_attempt(root)[1])
    finally:
        lease.release(forget_lower=lease.clean)


def left_behind(root: Path, pid: int | None) -> bool:
    """Return whether a run's lease is that of a process of this host which has ended.

    Args:
        root: the run's own folder.
        pid: the process.
    """
    newest = newest_lease(root, "lease")
    return newest is not None and newest.holder.pid == pid and newest.holder.is_gone
