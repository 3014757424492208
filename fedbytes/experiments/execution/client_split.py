"""Splits a run's training examples over its clients, and measures how different they are."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fedbytes.data import CLIENT
from fedbytes.experiments.config.run_config import RunConfig, check_client_count
from fedbytes.noniid import Factor, Partition, Partitioner
from fedbytes.process.disk_errors import DiskError, replaced_file
from fedbytes.process.leases.shared_folder import alone_in
from fedbytes.process.user_cache import cache_folder, unwritable_error
from fedbytes.registry import nearest

FORMAT = 1
_LISTED = 5  # clients that a note names
TEXT = "text"
"""The factor that stands for the texts themselves rather than one of their columns."""
NATURAL = ("label", "speaker", "category", "file", CLIENT)
"""Columns that a split follows when none is named: the first that exists.

Natural clients follow `client` before all others where it names files that were given as clients. A
table's own column of that name comes last.
"""


@dataclass(frozen=True)
class ClientSplit:
    """A partition, and the column [examples] that it followed, such as labels or clusters.

    Attributes:
        column: the name of the column that was given, `text` for the texts; "" if unknown.
    """

    partition: Partition
    factor: Any
    column: str = ""


def split_examples(
    config: RunConfig,
    columns: Mapping[str, np.ndarray],
    holders: np.ndarray | None = None,
) -> ClientSplit:
    """Split the training examples, given their columns, over the run's clients.

    Args:
        config: of the run.
        columns: of the training examples.
        holders: who has each of them (see `EncodedTask.holders`); those of others than clients are
            dropped.

    Raises:
        ValueError: if there is no such column, or the split cannot be made.
    """
    if holders is None:
        return _split_all(config, columns)
    rows = np.flatnonzero(holders == "clients")
    if not len(rows):
        raise ValueError(
            f"task {config.task['name']!r} has no training example of clients among "
            f"{len(holders)}: raise task.max_train_examples"
        )
    if config.components.partition.needs != "column":
        raise ValueError(
            f"partition {config.partition['name']!r} works on texts, and task "
            f"{config.task['name']!r} keeps some from clients: take a partition by a column"
        )
    return _spread(_split_all(config, {k: v[rows] for k, v in columns.items()}), rows, len(holders))


def _spread(split: ClientSplit, rows: np.ndarray, examples: int) -> ClientSplit:
    """Return a split of the examples at `rows` as one of all, of which the others are dropped."""
    some = split.partition
    owners = np.full(examples, -1, dtype=np.int64)
    owners[rows] = some.owners
    whole = Partition.from_owners(owners, some.num_clients, some.moved, some.names)
    factor = np.full(examples, np.asarray(split.factor)[0])
    factor[rows] = split.factor
    return ClientSplit(replace(whole, solved=some.solved), factor, split.column)


def _split_all(config: RunConfig, columns: Mapping[str, np.ndarray]) -> ClientSplit:
    partitioner, task = config.components.partition, config.components.task
    name = config.clients.factor or partitioner.default_factor
    given_as_clients = isinstance(getattr(task, "path", None), Mapping)
    if name is None and partitioner.takes_ids and given_as_clients and CLIENT in columns:
        name = CLIENT
    if name is None and partitioner.needs != "column":
        name = TEXT
    natural = NATURAL if given_as_clients else [key for key in NATURAL if key != CLIENT]
    if name is None and partitioner.only_measured and not any(key in columns for key in natural):
        name = "length"  # every text has one
    if name != TEXT or TEXT in columns:
        name = factor_name(columns, name)
        given = columns[name]
        if task.reads_tables and partitioner.needs == "column" and partitioner.by_order:
            given = _in_order(given, name, task.kind)
        splitter, column = _resolve(partitioner, given, lambda: Factor(given).digest)
    else:
        data = task.load()
        texts = np.array(data.train.texts, dtype=object)
        splitter, column = _resolve(partitioner, texts, lambda: data.digest)
    clients, together = config.clients.client_count, config.clients.groups
    groups = None if together is None else factor_column(columns, together, "groups")
    partition = splitter(column, clients, config.split_seed, groups)
    check_client_count(config, partition.num_clients)
    return ClientSplit(partition, column, name)


def notes_on(split: ClientSplit, config: RunConfig) -> list[str]:
    """Return what a user may not expect of a split: ids that share a client, empty clients."""
    partition, notes = split.partition, []
    clients = partition.num_clients
    if config.components.partition.takes_ids:
        ids = Factor(split.factor).categories.size
        if ids > clients and not partition.names:
            notes.append(
                f"{clients} clients for {ids} values of {split.column}, which are grouped: "
                f"partition.num_clients=all gives each value its client"
            )
        elif partition.dropped.size:
            notes.append(
                f"{clients} of {ids} values of {split.column} are clients, and "
                f"{partition.dropped.size} examples of the others are dropped: "
                f"partition.num_clients=all keeps them"
            )
        unnamed = int(np.count_nonzero(np.asarray(split.factor) == ""))
        if unnamed:
            notes.append(
                f"{unnamed} examples have no {split.column}, and are held as those of one value"
            )
    empty = np.flatnonzero(partition.sizes == 0)
    if empty.size:
        listed = ", ".join(map(str, empty[:_LISTED])) + (", …" if empty.size > _LISTED else "")
        notes.append(
            f"{empty.size} of {clients} clients hold no examples (client {listed}) and never "
            "take part"
        )
    return notes


def factor_column(
    columns: Mapping[str, np.ndarray], name: str | None, field: str = "factor"
) -> np.ndarray:
    """Return the column that a split follows: the named one, or the first of `NATURAL`.

    Raises:
        ValueError: if there is no such column; the message lists those that exist.
    """
    return columns[factor_name(columns, name, field)]


def factor_name(columns: Mapping[str, np.ndarray], name: str | None, field: str = "factor") -> str:
    """Return the name of the column that a split follows.

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
        hint = nearest(name, [*columns, TEXT])
        raise ValueError(f"partition.{field}: there is no column {name!r}{hint}")
    return name


def _in_order(column: np.ndarray, name: str | None, kind: str) -> np.ndarray:
    """Return a column of a user's table with text as the numbers that it spells.

    Labels of a classification are names of classes, whatever they spell.
    """
    if kind == "classification" and name in (None, "label"):
        return column
    try:
        return Factor(column).ordered().values
    except ValueError as error:
        raise ValueError(f"partition.factor={name or 'auto'}: {error}") from error


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


def _resolve(
    partitioner: Partitioner, given: np.ndarray, digest: Callable[[], str]
) -> tuple[Partitioner, Any]:
    """Return what splits and the column that it splits by, after providing what it needs.

    Args:
        partitioner: the configured one.
        given: the column or the texts that the configuration names, [examples].
        digest: names `given` in the caches.
    """
    if partitioner.needs == "column":
        return partitioner.resolve(given)
    source = digest()

    def keep(identity: Sequence[Any], compute: Callable[[], np.ndarray]) -> np.ndarray:
        return _kept_column(partitioner.name, [FORMAT, source, *identity], compute)

    if partitioner.needs == "texts":
        return partitioner.resolve(given, keep)
    from fedbytes.models.embeddings import sentence_embeddings

    texts = [str(text) for text in given.tolist()]
    model = partitioner.embedding_model
    return partitioner.resolve(sentence_embeddings(texts, source, model), keep)


def _kept_column(
    name: str, identity: Sequence[Any], compute: Callable[[], np.ndarray]
) -> np.ndarray:
    """Return a column from the cache of the partitioner `name`, computed if it is not there."""
    digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:24]
    root = cache_folder("columns", name)
    path = root / f"{digest}.npy"
    try:
        with alone_in(root, digest):
            if not path.exists():
                remedy, found = "set FEDBYTES_HOME to a folder with space", compute()
                with replaced_file(path, remedy) as part, part.open("wb") as file:
                    np.save(file, found)
            column: np.ndarray = np.load(path)
    except (OSError, DiskError) as error:
        raise unwritable_error(root, error) from error
    return column
