"""A small real store, made once: two finished runs and one that was cut."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fedbytes.experiments.config.run_config import RunConfig, make_config
from fedbytes.experiments.execution.events import Advanced
from fedbytes.experiments.execution.runner import run


class CutError(Exception):
    """Stands for whatever ends a process."""


def cut_at(round_: int) -> Callable[[Any], None]:
    def stop(event: Any) -> None:
        if isinstance(event, Advanced) and event.round == round_:
            raise CutError

    return stop


@pytest.fixture(scope="session")
def small(texts: Path) -> dict[str, Any]:
    """The settings of a run of a fraction of a second."""
    return {
        "task": {"name": "file", "path": str(texts), "max_length": 16},
        "model": {"name": "tiny-bert"},
        "adapter": "head",
        "partition": {"name": "iid", "num_clients": 2},
        "algorithm": {"name": "fedavg", "local_steps": 1, "batch_size": 4},
        "rounds": 3,
    }


@pytest.fixture(scope="session")
def configs(small: dict[str, Any]) -> list[RunConfig]:
    """Of the runs in the store; the last one is cut after its second round."""
    more = [{}, {"seed": 1, "audit": "norms", "clean": {"name": "loss", "drop": 0.5}}, {"seed": 2}]
    return [make_config(small | one) for one in more]


@pytest.fixture(scope="session")
def made_store(configs: list[RunConfig], tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("made") / "store"
    for config in configs[:2]:
        run(config, store)
    with pytest.raises(CutError):
        run(configs[2], store, on_event=cut_at(2))
    return store


@pytest.fixture
def store(made_store: Path, tmp_path: Path) -> Path:
    """A copy of the store, to be damaged."""
    return Path(shutil.copytree(made_store, tmp_path / "store"))
