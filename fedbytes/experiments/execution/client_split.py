"""Splits a run's training examples over its clients, and measures how different they are."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from filelock import FileLock

from fedbytes.data import TextData
from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.noniid import Partition
from fedbytes.noniid.partitioners.clusters import Clusters
from fedbytes.process.user_cache import cache_folder, unwritable_error

FORMAT = 1
TEXT = "text"
"""The factor that stands for the texts themselves rather than one of their columns."""
NATURAL = ("label", "speaker", "category", "file")
"""Columns that a split follows when none is named: the first that exists."""


@dataclass(frozen=True)
class ClientSplit:
    """A partition, and the column [examples] that it followed, such as labels or clusters."""

    partition: Partition
    factor: Any


def split_examples(config: RunConfig, columns: Mapping[str, np.ndarray]) -> ClientSplit:
    """Split the training examples, given their columns, over the run's clients.

    Raises:
        ValueError: if there is no such column, or the split cannot be made.
    """
    partitioner, task = config.components.partition, config.components.task
    name = config.clients.factor or partitioner.default_factor
    if name is None and partitioner.only_measured and not any(key in columns for key in NATURAL):
        name = "length"  # every text has one
    if name != TEXT or TEXT in columns:
        splitter, column = partitioner.resolve(factor_column(columns, name))
    elif isinstance(partitioner, Clusters):
        codes = _clusters(partitioner, task.load())
        splitter, column = partitioner.then.resolve(codes)
    else:
        texts = np.array(task.load().train.texts, dtype=object)
        splitter, column = partitioner.resolve(texts)
    clients, together = config.clients.num_clients, config.clients.groups
    groups = None if together is None else factor_column(columns, together, "groups")
    return ClientSplit(splitter(column, clients, config.seed, groups), column)


def factor_column(
    columns: Mapping[str, np.ndarray], name: str | None, field: str = "factor"
) -> np.ndarray:
    """Return the column that a split follows: the named one, or the first of `NATURAL`.

    Raises:
        ValueError: if there is no such column; the message lists those that exist.
    """
    if name is None:
        name = next((key for key in NATURAL if key in columns), None)
    known = ", ".join(dict.fromkeys([*columns, TEXT]))
    if name is None:
        raise ValueError(
            f"the task has no column of {', '.join(NATURAL)} to split by: set partition.{field} to "
            f"one of {known}, or partition.name=iid"
        )
    if name not in columns:
        raise ValueError(f"partition.{field}: there is no column {name!r} (known: {known})")
    return columns[name]


def measures(split: ClientSplit, columns: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Return how different the clients are in the column that the split followed.

    These are the measures of `Partition.metrics`, and `label_nmi` if there is a label that the
    split did not follow.
    """
    found = split.partition.metrics(split.factor)
    label = columns.get("label")
    if label is not None and not np.array_equal(label, split.factor):
        found["label_nmi"] = split.partition.metrics(label)["nmi"]
    return found


def _clusters(partitioner: Clusters, data: TextData) -> np.ndarray:
    """Return the cluster of each training text, from the cache if it was computed before.

    Runs of a sweep must share their clusters, and workers with different thread counts may sum in
    different orders.
    """
    parts = [FORMAT, data.digest, partitioner.num_clusters, partitioner.features]
    name = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]
    root = cache_folder("clusters")
    path = root / f"{name}.npy"
    try:
        with FileLock(root / f".{name}.lock"):
            if not path.exists():
                part = root / f".{name}.npy"
                np.save(part, partitioner.clusters(_features(partitioner, data)))
                part.replace(path)
            codes: np.ndarray = np.load(path)
    except OSError as error:
        raise unwritable_error(root, error) from error
    return codes


def _features(partitioner: Clusters, data: TextData) -> Any:
    if partitioner.features == "tfidf":
        return data.train.texts
    from fedbytes.models.embeddings import sentence_embeddings

    return sentence_embeddings(data.train.texts, data.digest, partitioner.features)
