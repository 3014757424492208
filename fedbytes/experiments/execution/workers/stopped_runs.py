"""How a run ends that does not finish: it was asked to stop, or it failed while it was ours."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.process.leases.lease import Lease, NotOursError


class RunStoppedError(Exception):
    """A run was asked to stop: it has finished its round and written a checkpoint."""


@contextmanager
def failure_told(
    lease: Lease, folder: RunFolder, tell: Callable[[RunFolder, Exception], None] | None
) -> Iterator[None]:
    """Tell of a failure of the block, unless another process has taken the run over meanwhile.

    Args:
        lease: the run's, which is ours.
        folder: that the block writes to.
        tell: called with the folder and the error, before that is raised.

    Raises:
        LostLeaseError: instead of a failure, if the run is another's by then.
    """
    try:
        yield
    except (NotOursError, RunStoppedError):
        raise
    except Exception as error:
        if tell is not None:
            lease.check()
            tell(folder, error)
        raise
