"""Finds mistakes that only texts and models reveal, before any worker starts."""

import gc
import json
from collections.abc import Sequence

import numpy as np

from fedbytes.data import EncodedTask
from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.experiments.execution.client_split import split_examples
from fedbytes.models import build_model, encode_task, forget_bases


def check(configs: Sequence[RunConfig]) -> tuple[str, ...]:
    """Encode each task's texts, build each model with its adapter, and make each split.

    Tokens stay cached for the workers; models do not.

    Returns:
        what to know of the tasks' data, each line once, such as rows that were left out.

    Raises:
        ValueError: for a file, column, model, device or adapter target that does not exist, a
            split that cannot be made, or an algorithm that cannot train the model.
    """
    tasks: dict[str, EncodedTask] = {}
    models: dict[str, dict[str, RunConfig]] = {}
    for config in configs:
        key = json.dumps([config.task, config.model], sort_keys=True)
        if key not in tasks:
            tasks[key] = encode_task(config.components.task, config.components.model)
        adapted = json.dumps([key, config.adapter], sort_keys=True)
        algorithm = json.dumps(config.algorithm, sort_keys=True)
        models.setdefault(adapted, {}).setdefault(algorithm, config)
        _check_split(config, tasks[key])
    for adapted, algorithms in models.items():
        config, task = next(iter(algorithms.values())), tasks[json.loads(adapted)[0]]
        parts = config.components
        model = build_model(parts.model, parts.adapter, task, prefix_cache=False)
        for one in algorithms.values():
            one.components.algorithm.check(model)
    forget_bases()
    gc.collect()
    return tuple(dict.fromkeys(note for task in tasks.values() for note in task.notes))


def _check_split(config: RunConfig, task: EncodedTask) -> None:
    split = config.clients
    partition = split_examples(config, task.train.columns).partition
    holders, wanted = int(np.count_nonzero(partition.sizes)), config.clients_per_round or 1
    if wanted > holders:
        raise ValueError(
            f"clients_per_round is {wanted}, but only {holders} of {split.num_clients} clients "
            "hold examples under this partition; raise partition.alpha or partition.min_size"
        )
