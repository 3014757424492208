"""From a configuration to what the round needs: texts, a model, and who holds what."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fedbytes.data import (
    EncodedTask,
    asset_digest,
    asset_names,
    pack,
    unigram_perplexity,
)
from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.experiments.execution.client_split import Holding, split_examples
from fedbytes.federated.federation import Federation
from fedbytes.federated.hooks import Hooks
from fedbytes.models import TrainableModel, build_model, encode_task
from fedbytes.noniid import Partition


@dataclass(frozen=True)
class Problem:
    """A run's federation, and beside it what is measured on the server.

    `task` holds the examples that were split between clients: documents, where the model's own
    task holds rows that they were packed into.
    """

    federation: Federation
    model: TrainableModel
    task: EncodedTask
    holding: Holding

    def setup_bytes(self) -> dict[str, int]:
        """Return what every client must have before the first round: frozen base, tokenizer."""
        info = self.model.info
        whole = {"setup_bytes": info.setup_bytes + info.tokenizer_bytes}
        return whole | ({"tokenizer_bytes": info.tokenizer_bytes} if info.tokenizer_bytes else {})

    def baselines(self) -> dict[str, float]:
        """Return what a trained model must beat: a unigram model's perplexity for causal-lm."""
        task = self.model.task
        if task.kind != "causal-lm":
            return {}
        vocabulary = self.model.vocabulary
        return {"unigram_perplexity": unigram_perplexity(task.train, task.test, vocabulary)}


def make_problem(config: RunConfig, hooks: Hooks) -> Problem:
    """Load the texts and the model, and split the training examples.

    Raises:
        ValueError: if an asset is missing, or the split or the federation cannot be made.
    """
    parts = config.components
    task = encode_task(parts.task, parts.model)
    holding = split_examples(config, task.train.columns)
    partition = holding.partition
    learned, rows = pack(task, partition.indices, config.seed)
    model = build_model(parts.model, parts.adapter, learned, seed=config.seed)
    federation = Federation(
        model=model,
        parts=rows,
        algorithm=parts.algorithm,
        uplink=parts.uplink,
        downlink=parts.downlink,
        clients_per_round=config.clients_per_round or _holders(partition),
        seed=config.seed,
        initial=config.initial,
        broadcast=config.broadcast,
        hooks=hooks,
    )
    return Problem(federation, model, task, holding)


def who_holds_what(problem: Problem) -> dict[str, Any]:
    """Return the categories of the factor and the examples of each that every client holds."""
    holding = problem.holding
    categories, counts = holding.partition.counts(holding.factor)
    return {"categories": [str(c) for c in categories], "counts": counts.tolist()}


def _holders(partition: Partition) -> int:
    return int(np.count_nonzero(partition.sizes))


def assets_of(config: RunConfig, model: bool = True) -> dict[str, str]:
    """Return the named assets that a run needs, each with its digest."""
    names = [config.task["name"]]
    if model:  # a model that is made from a configuration may read through a named tokenizer
        names += [config.model["name"], str(config.model.get("tokenizer"))]
    names += [str(config.partition["features"])] if "features" in config.partition else []
    known = asset_names()
    return {name: asset_digest(name) for name in names if name in known}
