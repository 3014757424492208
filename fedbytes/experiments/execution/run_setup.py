"""Builds what a run's rounds need from its configuration: texts, a model, and the split."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from fedbytes.arrays import Int64s
from fedbytes.data import (
    EncodedTask,
    Split,
    Task,
    asset_digest,
    asset_names,
    pack,
    unigram_perplexity,
)
from fedbytes.defenses.cleaner_parts.text_surprise import UNIGRAM
from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.experiments.evaluation.own_tests import split_tests
from fedbytes.experiments.execution.attack_success import attack_probes
from fedbytes.experiments.execution.client_split import ClientSplit, split_examples
from fedbytes.experiments.store.many_clients.holdings import Holdings
from fedbytes.federated.federation import Federation, TextsOf
from fedbytes.federated.hooks import Hooks
from fedbytes.federated.plugins.attack_probe import AttackProbe
from fedbytes.federated.stages.poisoned_data import poison
from fedbytes.federated.stages.rewritten_data import rewrite
from fedbytes.models import TrainableModel, build_model, encode_task, load_base
from fedbytes.noniid import Factor, Partition
from fedbytes.noniid.allocation.set_aside import set_aside


@dataclass(frozen=True)
class Problem:
    """A run's federation, with what is measured on the server.

    `task` holds the examples that were split between clients: documents, where the model's own
    task holds the rows that they were packed into, and after them those that attackers planted
    (`federation.planted`). `probes` show whether attacks work.
    """

    federation: Federation
    model: TrainableModel
    task: EncodedTask
    split: ClientSplit
    probes: Sequence[AttackProbe] = ()

    def setup_bytes(self) -> dict[str, int]:
        """Return the bytes every client needs before the first round: frozen base, tokenizer."""
        info = self.model.info
        judges = {str(getattr(one, "judge", UNIGRAM)) for one in self.federation.plugins.clean}
        others = [load_base(name, "causal-lm").info for name in judges - {UNIGRAM, info.name}]
        needed = (one.setup_bytes + one.tokenizer_bytes for one in (info, *others))
        whole = {"setup_bytes": sum(needed)}
        return whole | ({"tokenizer_bytes": info.tokenizer_bytes} if info.tokenizer_bytes else {})

    def test_examples(self) -> list[int]:
        """Return how many test examples each class has; without classes, how many there are."""
        test = self.model.task.test
        return [len(test)] if test.labels is None else np.bincount(test.labels).tolist()

    def baselines(self) -> dict[str, float]:
        """Return metrics that a trained model must beat.

        `constant_accuracy`, of always answering the test split's largest class, for
        classification; `unigram_perplexity` for causal-lm.
        """
        task = self.model.task
        if task.test.labels is not None:
            counts = np.bincount(task.test.labels)
            return {"constant_accuracy": float(counts.max() / counts.sum())}
        if task.kind != "causal-lm":
            return {}
        vocabulary = self.model.vocabulary
        train = task.train
        while train.extends is not None:  # rows that attackers made set no bar
            train = train.extends
        return {"unigram_perplexity": unigram_perplexity(train, task.test, vocabulary)}


def make_problem(config: RunConfig, hooks: Hooks) -> Problem:
    """Load the texts and the model, and split the training examples.

    Raises:
        ValueError: if an asset is missing, or the split or the federation cannot be made.
    """
    parts = config.components
    task = encode_task(parts.task, parts.model)
    split = split_examples(config, task.train.columns, task.holders)
    partition = split.partition
    kept, aside = set_aside(partition.indices, config.set_aside, config.split_seed)
    learned, packed = pack(task, [*kept, *aside], config.seed)
    rows, held_out = packed[: len(kept)], packed[len(kept) :]
    probes = attack_probes(parts.plugins.attack, learned)
    learned, planted = poison(parts.plugins.attack, learned, rows, config.seed)
    learned = rewrite(parts.plugins.clean, learned, planted.ever_held(rows))
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
        aggregation=parts.aggregation,
        plugins=parts.plugins,
        batch_stream=config.batch_stream,
        planted=planted if planted.phases else None,
        texts=_texts_of(parts.task, kept),
        server_rows=task.held_by("server"),
        sampling=config.sampling,
        rounds=config.rounds,
        set_aside=held_out,
        clients_at_once=int(config.clients_at_once),
    )
    return Problem(federation, model, task, split, probes)


def own_tests_of(config: RunConfig, problem: Problem) -> tuple[tuple[Int64s, ...], str]:
    """Return each client's own test examples, none unless they are wanted, and a note on them."""
    if not config.evaluate_clients:
        return (), ""
    split, task = problem.split, problem.task
    columns = task.train.columns, task.test.columns
    return split_tests(split.partition, split.factor, split.column, *columns, config.split_seed)


def _texts_of(task: Task, parts: Sequence[Int64s]) -> TextsOf:
    """Return what clients would send of a task: texts, with labels where it has them."""

    @cache
    def train() -> Split:
        return task.load().train

    def examples(client: int) -> list[tuple[str, ...]]:
        held = train().take(parts[client])
        texts = held.texts
        if held.chats is not None:
            texts = [json.dumps(chat, ensure_ascii=False) for chat in held.chats]
        if task.kind != "classification":
            return [(text,) for text in texts]
        labels = map(str, held.columns["label"].tolist())
        return list(zip(texts, labels, strict=True))

    return examples


def who_holds_what(problem: Problem) -> tuple[Holdings, dict[str, Any]]:
    """Return the examples of each category that every client holds, and who attacks."""
    split = problem.split
    column = Factor(split.factor)
    categories = [str(category) for category in column.categories]
    table = split.partition.contingency(column)
    held = Holdings(categories, table, list(split.partition.names))
    hostile, planted = attackers_of(problem), problem.federation.planted
    attackers = sorted({client for one in hostile for client in one})
    beside = {"attackers": attackers} if hostile else {}
    return held, beside | ({"planted": planted.counts} if planted else {})


def attackers_of(problem: Problem) -> list[list[int]]:
    """Return the hostile clients of each attack."""
    return [list(drawn) for drawn in problem.federation.population.hostile]


def _holders(partition: Partition) -> int:
    return int(np.count_nonzero(partition.sizes))


def assets_of(config: RunConfig, model: bool = True) -> dict[str, str]:
    """Return the named assets that a run needs, each with its digest."""
    names = [config.task["name"]]
    if model:  # a model that starts from random weights may use a named tokenizer
        names += [config.model["name"], str(config.model.get("tokenizer"))]
    if model:  # a cleaner's judge is a model that every client needs
        judges = [getattr(one, "judge", None) for one in config.components.plugins.clean]
        names += [str(judge) for judge in judges if judge]
    names += [str(config.partition["features"])] if "features" in config.partition else []
    known = asset_names()
    return {name: asset_digest(name) for name in names if name in known}
