"""Who holds which of the training examples, and the column by which that is measured."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from filelock import FileLock

from fedbytes.data import TextData, make_task
from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.noniid import Partition, make_partitioner
from fedbytes.noniid.partitioners.clusters import Clusters
from fedbytes.process.user_cache import cache_folder, unwritable_error

FORMAT = 1
TEXT = "text"
"""The factor that is the texts themselves rather than one of their columns."""
NATURAL = ("label", "speaker", "category", "file")
"""The columns that a split follows when none is named: the first that there is."""


@dataclass(frozen=True)
class Holding:
    """A partition, and the column that it followed, [examples]: clusters where it made them."""

    partition: Partition
    factor: Any


def split_examples(config: RunConfig, columns: Mapping[str, np.ndarray]) -> Holding:
    """Return who holds which of the training examples, whose columns are given.

    Raises:
        ValueError: if there is no such column, or the split cannot be made.
    """
    partitioner = make_partitioner(config.partitioner_spec)
    name = config.clients.factor or partitioner.default_factor
    if name is None and partitioner.only_measured and not any(key in columns for key in NATURAL):
        name = "length"  # which texts always have
    if name != TEXT or TEXT in columns:
        splitter, column = partitioner.resolve(factor_column(columns, name))
    elif isinstance(partitioner, Clusters):
        codes = _clusters(partitioner, make_task(config.task).load())
        splitter, column = partitioner.then.resolve(codes)
    else:
        texts = np.array(make_task(config.task).load().train.texts, dtype=object)
        splitter, column = partitioner.resolve(texts)
    clients, together = config.clients.num_clients, config.clients.groups
    groups = None if together is None else factor_column(columns, together, "groups")
    return Holding(splitter(column, clients, config.seed, groups), column)


def factor_column(
    columns: Mapping[str, np.ndarray], name: str | None, field: str = "factor"
) -> np.ndarray:
    """Return the column that a split follows: the named one, or the first of `NATURAL`.

    Raises:
        ValueError: if there is no such column; the message lists those that exist.
    """
    if name is None:
        name = next((key for key in NATURAL if key in columns), None)
    known = ", ".join([*columns, TEXT])
    if name is None:
        raise ValueError(
            f"the task has no column of {', '.join(NATURAL)} to split by: set partition.{field} to "
            f"one of {known}, or partition.name=iid"
        )
    if name not in columns:
        raise ValueError(f"partition.{field}: there is no column {name!r} (known: {known})")
    return columns[name]


def measures(holding: Holding, columns: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Return how different the clients are by the column that the split followed.

    These are the measures of `Partition.metrics`, and `label_nmi` where there is a label that
    the split did not follow.
    """
    found = holding.partition.metrics(holding.factor)
    label = columns.get("label")
    if label is not None and not np.array_equal(label, holding.factor):
        found["label_nmi"] = holding.partition.metrics(label)["nmi"]
    return found


def _clusters(partitioner: Clusters, data: TextData) -> np.ndarray:
    """Return the cluster of each training text, from the cache if it was computed before.

    Runs of a sweep must share their clusters, and workers with another number of threads may sum
    in another order.
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
