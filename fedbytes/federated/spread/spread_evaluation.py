"""Evaluation of the model that all hold, by several processes at once."""

from collections.abc import Iterator
from time import process_time
from typing import Any

from torch import Tensor

from fedbytes.federated.clock import Clock
from fedbytes.federated.spread.spread_clients import FEDERATION
from fedbytes.models import TrainableModel
from fedbytes.models.heads.evaluation import MeasuredBatch, Part
from fedbytes.process.pool.worker_pool import WorkerPool


def evaluate_spread(
    pool: WorkerPool, model: TrainableModel, held: Tensor, clock: Clock
) -> dict[str, float]:
    """Return the metrics of `model.evaluate()`, of batches that workers measure.

    Answers that are generated are generated here.

    Args:
        pool: workers that keep the federation.
        model: what is held has been loaded into it.
        held: by all clients, from which workers load it.
        clock: counts the seconds of the workers' processes; those of the wall are counted outside.
    """

    def measured(split: str) -> Iterator[MeasuredBatch]:
        parts = [Part(first, pool.count) for first in range(pool.count)]
        told = [*pool.map(_measure, (((split, part), held) for part in parts))]
        clock.spread("evaluate", 0.0, sum(process for _, process in told), 0.0)
        found = [batches for batches, _ in told]
        for batch in range(len(found[0])):  # of the first worker, which has no fewer than others
            yield from (part[batch] for part in found if batch < len(part))

    model.measured_elsewhere = measured
    try:
        return model.evaluate()
    finally:
        model.measured_elsewhere = None


def _measure(
    kept: dict[str, Any], held: Tensor, split: str, part: Part
) -> tuple[list[MeasuredBatch], float]:
    fed, start = kept[FEDERATION], process_time()
    fed.algorithm.load(fed.model, held)
    return fed.model.measure_batches(split, part=part), process_time() - start
