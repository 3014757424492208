"""The processes that train one run's clients: started, told what to build, and ended."""

from typing import Any

import torch

from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.experiments.execution.run_setup import make_problem
from fedbytes.federated.hooks import Hooks
from fedbytes.federated.spread.spread_clients import FEDERATION
from fedbytes.models import TrainableModel
from fedbytes.models.base.shared_weights import (
    WeightPlace,
    map_frozen,
    nameless_file,
    write_frozen,
)
from fedbytes.process.pool.worker_pool import WorkerPool


class ClientWorkers:
    """The workers of a run with `workers_per_run` above 1, as a context manager.

    They import what they need while the run is set up. Each builds the run's federation for itself;
    the base model's weights are in memory once for all, and so are the states of frozen layers,
    which the run has on disk by then.

    Args:
        config: the run's.
    """

    def __init__(self, config: RunConfig) -> None:
        self.config = config
        self._weights = nameless_file()
        number = self._weights.fileno()
        self.pool = WorkerPool(config.workers_per_run, [__name__], [number])

    def begin(self, model: TrainableModel) -> None:
        """Have each worker build what it needs, as soon as the run has done so."""
        self.pool.everywhere(_build, self.config, torch.get_num_threads())
        places = write_frozen(model.network, self._weights)
        number = self._weights.fileno()
        map_frozen(model.network, number, places)
        self.pool.everywhere(_share, number, places)

    def __enter__(self) -> "ClientWorkers":
        return self

    def __exit__(self, *_: object) -> None:
        self.pool.close()
        self._weights.close()


def _build(kept: dict[str, Any], _: None, config: RunConfig, threads: int) -> None:
    torch.set_num_threads(threads)
    kept[FEDERATION] = make_problem(config, Hooks()).federation


def _share(kept: dict[str, Any], _: None, number: int, places: dict[str, WeightPlace]) -> None:
    map_frozen(kept[FEDERATION].model.network, number, places)
