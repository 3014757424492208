"""Finds mistakes that only texts and models reveal, before any worker starts."""

import gc
import json
from collections.abc import Sequence
from math import ceil

import numpy as np

from fedbytes.data import EncodedTask, pack
from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.experiments.execution.attack_success import attack_probes
from fedbytes.experiments.execution.client_split import notes_on, split_examples
from fedbytes.experiments.execution.first_step import take_first_step
from fedbytes.federated.client_memory.memory_room import memory_limit
from fedbytes.federated.stages.poisoned_data import poison
from fedbytes.models import TrainableModel, build_model, encode_task, forget_bases
from fedbytes.models.base.text_states import errors_of_model
from fedbytes.models.side_by_side.check import check_side_by_side
from fedbytes.noniid.allocation.set_aside import set_aside


def check(configs: Sequence[RunConfig]) -> list[str]:
    """Encode each task's texts, make each split, and take a step of each model with its adapter.

    Tokens stay cached for the workers; models do not.

    Returns:
        what a user may not expect of the data, such as rows that were left out, of the splits, and
        of models that run whole because the states of their constant layers cannot be kept; a line
        each, every one once.

    Raises:
        ValueError: for a file, column, model, device or adapter target that does not exist, a
            split that cannot be made, an attack that the texts do not allow, an algorithm that
            cannot train the model, or a model that does not run on the texts.
    """
    memory_limit()  # which a worker would refuse
    tasks: dict[str, EncodedTask] = {}
    models: dict[str, dict[str, RunConfig]] = {}
    notes: dict[str, None] = {}
    for config in configs:
        key = json.dumps([config.task, config.model], sort_keys=True)
        if key not in tasks:
            tasks[key] = encode_task(config.components.task, config.components.model)
        adapted = json.dumps([key, config.adapter], sort_keys=True)
        acting = [config.algorithm, config.defense, config.clients_at_once]
        algorithm = json.dumps(acting, sort_keys=True)
        models.setdefault(adapted, {}).setdefault(algorithm, config)
        notes |= dict.fromkeys(_check_split(config, tasks[key]))
    for adapted, algorithms in models.items():
        found = _check_model([*algorithms.values()], tasks[json.loads(adapted)[0]])
        notes |= dict.fromkeys(found)
    forget_bases()
    gc.collect()
    told = [note for task in tasks.values() for note in task.notes]
    return list(dict.fromkeys([*told, *notes]))


def _check_model(configs: Sequence[RunConfig], task: EncodedTask) -> list[str]:
    """Build the model that configurations share, and check each one's algorithm and a step.

    Returns:
        what a user may not expect of the model, a line each.
    """
    name, parts = configs[0].model["name"], configs[0].components
    model = _build(configs[0], task)
    algorithms = [config.components.algorithm for config in configs]
    for algorithm in algorithms:
        algorithm.check(model)
    keeps_states = model.keeps_states  # until a first step runs it whole
    take_first_step(model, name, min(getattr(one, "batch_size", 2) for one in algorithms))
    if not task.unpacked and any(config.clients_at_once != 1 for config in configs):
        check_side_by_side(model, name)
    if model.keeps_no_states:
        return [
            f"model {name!r} runs whole with adapter {parts.adapter.name!r}: the states of its "
            "frozen layers depend on more than a text's own tokens, so they are not kept"
        ]
    perturbing = [
        defense.name
        for config in configs
        for defense in config.components.plugins.defense
        if defense.perturbs_embeddings and keeps_states
    ]
    return [
        f"defense {defense!r} perturbs the embeddings of tokens, so its training steps run model "
        f"{name!r} whole: the kept states of its frozen layers serve plain passes alone"
        for defense in dict.fromkeys(perturbing)
    ]


def _build(config: RunConfig, task: EncodedTask) -> TrainableModel:
    parts, name = config.components, config.model["name"]
    try:
        return build_model(parts.model, parts.adapter, task)
    except ValueError:
        raise
    except Exception as error:
        with errors_of_model(name, f"cannot have adapter {parts.adapter.name!r}"):
            raise error


def _check_split(config: RunConfig, task: EncodedTask) -> list[str]:
    split = split_examples(config, task.train.columns, task.holders)
    partition = split.partition
    holders, wanted = int(np.count_nonzero(partition.sizes)), config.clients_per_round or 1
    if wanted > holders:
        raise ValueError(
            f"clients_per_round is {wanted}, but only {holders} of {partition.num_clients} "
            "clients hold examples under this partition; raise partition.alpha or "
            "partition.min_size"
        )
    attacks = config.components.plugins.attack
    if attacks:
        kept, _ = set_aside(partition.indices, config.set_aside, config.split_seed)
        poison(attacks, *pack(task, kept, config.seed), config.seed)
        attack_probes(attacks, task)
    return [*notes_on(split, config), *_idle_workers(config, config.clients_per_round or holders)]


def _idle_workers(config: RunConfig, clients: int) -> list[str]:
    """Return a note where a round has fewer groups of clients than processes to train them.

    Args:
        config: the run's.
        clients: of a round, or on average.
    """
    workers, at_once = config.workers_per_run, int(config.clients_at_once)
    groups = ceil(clients / at_once)
    if workers <= groups:
        return []
    if clients < workers:
        remedy = f"set workers_per_run={clients}"
    else:
        remedy = f"set clients_at_once to at most {clients // workers}"
    return [
        f"workers_per_run={workers}, clients_at_once={at_once}: the {clients} clients of a round "
        f"train as {groups}, so that processes stay idle: {remedy}"
    ]
