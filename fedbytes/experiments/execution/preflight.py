"""Finds mistakes that only texts and models reveal, before any worker starts."""

import gc
import json
from collections.abc import Sequence

import numpy as np

from fedbytes.data import EncodedTask
from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.experiments.execution.client_split import notes_on, split_examples
from fedbytes.models import build_model, encode_task, forget_bases


def check(configs: Sequence[RunConfig]) -> list[str]:
    """Encode each task's texts, build each model with its adapter, and make each split.

    Tokens stay cached for the workers; models do not.

    Returns:
        what a user may not expect of the data, such as rows that were left out, and of the splits;
        a line each, every one once.

    Raises:
        ValueError: for a file, column, model, device or adapter target that does not exist, a
            split that cannot be made, or an algorithm that cannot train the model.
    """
    tasks: dict[str, EncodedTask] = {}
    models: dict[str, dict[str, RunConfig]] = {}
    notes: dict[str, None] = {}
    for config in configs:
        key = json.dumps([config.task, config.model], sort_keys=True)
        if key not in tasks:
            tasks[key] = encode_task(config.components.task, config.components.model)
        adapted = json.dumps([key, config.adapter], sort_keys=True)
        algorithm = json.dumps(config.algorithm, sort_keys=True)
        models.setdefault(adapted, {}).setdefault(algorithm, config)
        notes |= dict.fromkeys(_check_split(config, tasks[key]))
    for adapted, algorithms in models.items():
        config, task = next(iter(algorithms.values())), tasks[json.loads(adapted)[0]]
        parts = config.components
        model = build_model(parts.model, parts.adapter, task, prefix_cache=False)
        for one in algorithms.values():
            one.components.algorithm.check(model)
    forget_bases()
    gc.collect()
    told = [note for task in tasks.values() for note in task.notes]
    return list(dict.fromkeys([*told, *notes]))


def _check_split(config: RunConfig, task: EncodedTask) -> list[str]:
    split = split_examples(config, task.train.columns)
    partition = split.partition
    holders, wanted = int(np.count_nonzero(partition.sizes)), config.clients_per_round or 1
    if wanted > holders:
        raise ValueError(
            f"clients_per_round is {wanted}, but only {holders} of {partition.num_clients} "
            "clients hold examples under this partition; raise partition.alpha or "
            "partition.min_size"
        )
    return notes_on(split, config)
