"""Writes a store's runs for a tracker; again and again it writes the same."""

import importlib
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from fedbytes.experiments.trackers.tracked_run import TrackedRun
from fedbytes.registry import nearest

Write = Callable[[TrackedRun, str, Path], None]
"""Writes a run, as one of the project of that name, into a folder, in the place of what it wrote
there of the run before."""
_HERE = "fedbytes.experiments.trackers"
TRACKERS = {
    "tensorboard": f"{_HERE}.to_tensorboard:write_tensorboard",
    "trackio": f"{_HERE}.to_trackio:write_trackio",
    "wandb": f"{_HERE}.to_wandb:write_wandb",
    "mlflow": f"{_HERE}.to_mlflow:write_mlflow",
}
"""Trackers by name, which is that of their package, each with the function that writes a run."""
_INSTALLED_BY = {
    "tensorboard": "'fedbytes[tensorboard]'",
    "trackio": "'fedbytes[trackio]'",
    "wandb": "wandb",
    "mlflow": "mlflow-skinny",
}


def tracker_of(name: str) -> Write:
    """Return what writes for a tracker.

    Raises:
        ValueError: for an unknown tracker, or one that is not installed.
    """
    if name not in TRACKERS:
        raise ValueError(f"unknown tracker {name!r}{nearest(name, TRACKERS)}")
    if find_spec(name) is None:
        raise ValueError(f"tracker {name!r} requires {name}: pip install {_INSTALLED_BY[name]}")
    module, _, function = TRACKERS[name].partition(":")
    write: Write = getattr(importlib.import_module(module), function)
    return write


def default_folder(store: Path, name: str) -> Path:
    """Return where a tracker's files of a store go by default: beside it, not among its runs."""
    whole = store.resolve()
    return whole.with_name(f"{whole.name}-{name}")


def track_store(store: Path, name: str, folder: Path | None = None) -> list[str]:
    """Write all runs of a store that have rows for a tracker; nothing leaves this machine.

    Args:
        store: the folder of runs.
        name: of the tracker.
        folder: where its files go; by default `STORE-NAME`.

    Returns:
        the ids of the runs.

    Raises:
        ValueError: for an unknown tracker, one that is not installed, or no store.
    """
    write, runs = tracker_of(name), TrackedRun.all_of(store)
    target = folder or default_folder(store, name)
    target.mkdir(parents=True, exist_ok=True)
    for run in runs:
        write(run, store.resolve().name, target)
    return [run.run for run in runs]
