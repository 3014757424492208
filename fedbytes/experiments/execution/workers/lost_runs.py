"""What is said of a run whose process died, or one of those that its clients train in."""

from contextlib import suppress

from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.experiments.store.tries import LIMIT, died_too_often, tries
from fedbytes.process.disk_errors import DiskError


def after_death(folder: RunFolder, died: str) -> str:
    """Return what is said of a death and of what follows; after the last try the run has failed.

    Args:
        folder: the run's, whose tries are counted.
        died: what died, with which exit code, and what may help.
    """
    count = tries(folder)
    if count < LIMIT:
        goes_on = "from its checkpoint" if folder.state.exists() else "from its beginning"
        return f"{died}; the same command goes on {goes_on} (try {count} of {LIMIT} ended)"
    message = f"{died}; {died_too_often(folder)}"
    with suppress(DiskError):
        folder.fail(message, "")
    return message
