"""What a run tells while it goes on."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Preparing:
    """The frozen layers are run over the texts, once: `done` of `total` tokens of a split."""

    split: str
    done: int
    total: int


@dataclass(frozen=True)
class Advanced:
    """A round is finished; `metrics` are those of the newest evaluated round."""

    round: int
    total_bytes: int
    metrics: dict[str, float]


@dataclass(frozen=True)
class Finished:
    """The run is done."""


@dataclass(frozen=True)
class Failed:
    """The run failed; `message` is one line, the run's folder has the traceback."""

    message: str


Event = Preparing | Advanced | Finished | Failed
