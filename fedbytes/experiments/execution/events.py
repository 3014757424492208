"""Events of a run in progress."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Preparing:
    """The frozen layers' states are being cached: `done` of `total` tokens of a split."""

    split: str
    done: int
    total: int


@dataclass(frozen=True)
class Advanced:
    """A round has finished; `metrics` are those of the newest evaluated round."""

    round: int
    total_bytes: int
    metrics: dict[str, float]


@dataclass(frozen=True)
class Noticed:
    """Something that the user should know of, in one line; the run goes on."""

    message: str


@dataclass(frozen=True)
class Finished:
    """The run has finished."""


@dataclass(frozen=True)
class Failed:
    """The run failed; `message` is one line, the run's folder has the traceback.

    `of_disk` says that it could not be written: then nothing is wrong with the run. `unbegun` says
    that its process died before it had begun: no try was counted, and nothing is in the folder.
    """

    message: str
    of_disk: bool = False
    unbegun: bool = False


@dataclass(frozen=True)
class LeftAlone:
    """The run was stopped on request (`stopped`), or another process makes it."""

    message: str
    stopped: bool = False


Event = Preparing | Advanced | Noticed | Finished | Failed | LeftAlone

Listener = Callable[[Event], None]
"""Called with each event of a run."""
