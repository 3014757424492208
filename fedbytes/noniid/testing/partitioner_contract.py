"""The contract of every partitioner, as checks that also run on plug-ins of your own."""

import copy
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fedbytes.arrays import Int64s
from fedbytes.noniid.partition import Partition
from fedbytes.noniid.partitioner import PARTITIONERS, Partitioner
from fedbytes.streams import stream
from fedbytes.testing import (
    Finding,
    check_spec,
    no_global_random,
    require,
    require_refusal,
    run_checks,
)

_Check = Callable[[Partitioner, int], None]


def check_partitioner(partitioner: Partitioner, num_clients: int | None = None) -> list[Finding]:
    """Run every contract check on a partitioner, the failures of which are in the findings.

    Args:
        partitioner: any instance, registered or not.
        num_clients: how many clients to split over; by default what the configuration requires,
            or else 4.
    """
    clients = num_clients or partitioner.required_clients or 4
    return run_checks((name, partial(check, partitioner, clients)) for name, check in _checks())


def _checks() -> Iterator[tuple[str, _Check]]:
    yield "takes labels of any type", _any_type
    yield "splits everything once", _covers
    yield "gives the asked number of clients", _client_count
    yield "is determined by its seed", _deterministic
    yield "leaves the column and the global random state alone", _no_side_effects
    yield "takes a factor of one category", _one_category
    yield "takes categories of one example each", _all_distinct
    yield "measures are finite and in range", _measures
    yield "refuses a malformed factor", _refuses_factor
    yield "takes more clients than examples", _few_examples
    yield "refuses an impossible number of clients", _refuses_clients
    yield "its spec rebuilds it", _spec
    yield "survives saving and loading", _copies


def _labels(partitioner: Partitioner, clients: int) -> Int64s:
    """Unequal classes with negative labels and gaps, enough for every client."""
    rng = stream(0, "contract")
    number = partitioner.required_categories or 5
    classes = np.concatenate([[-7, 0, 3, 4, 100], 200 + 2 * np.arange(number)])[:number]
    weights = 1.0 / (1.0 + np.arange(number))
    labels = rng.choice(classes, size=60 * clients + number, p=weights / weights.sum())
    labels[:number] = classes
    return labels


def _any_type(partitioner: Partitioner, clients: int) -> None:
    labels = _labels(partitioner, clients)
    columns: dict[str, Any] = {
        "negative integers with gaps": labels,
        "strings": np.array([f"class {label}" for label in labels]),
        "a list of strings": [f"class {label}" for label in labels],
        "objects": np.array([str(label) for label in labels], dtype=object),
        "floats": labels / 3.0,
        "unsigned": (labels + 7).astype(np.uint16),
    }
    if partitioner.required_categories in (None, 2):
        columns["bools"] = labels > 0
    for kind, column in columns.items():
        split = partitioner(column, clients, seed=1)
        require(isinstance(split, Partition), f"{kind}: returned {type(split).__name__}")
        require(split.num_examples == labels.size, f"{kind}: {split.num_examples} of {labels.size}")


def _covers(partitioner: Partitioner, clients: int) -> None:
    labels = _labels(partitioner, clients)
    split = partitioner(labels, clients, seed=2)
    together = np.sort(np.concatenate([*split.indices, split.dropped]))
    require(
        np.array_equal(together, np.arange(labels.size)), "the parts are not 0 ... n-1 once each"
    )
    require(all(np.all(np.diff(part) > 0) for part in split.indices), "indices are not sorted")


def _client_count(partitioner: Partitioner, clients: int) -> None:
    split = partitioner(_labels(partitioner, clients), clients, seed=3)
    require(split.num_clients == clients, f"{split.num_clients} clients of {clients}")


def _deterministic(partitioner: Partitioner, clients: int) -> None:
    labels = _labels(partitioner, clients)
    first = partitioner(labels, clients, seed=4)
    require(first == partitioner(labels, clients, seed=4), "two calls with one seed differ")
    again = copy.deepcopy(partitioner)(labels.copy(), clients, seed=4)
    require(first == again, "an equal partitioner gives another split")


def _no_side_effects(partitioner: Partitioner, clients: int) -> None:
    labels = _labels(partitioner, clients)
    before = labels.copy()
    with no_global_random():
        partitioner(labels, clients, seed=5)
    require(np.array_equal(labels, before), "the caller's column was changed")


def _one_category(partitioner: Partitioner, clients: int) -> None:
    if partitioner.required_categories not in (None, 1):
        return
    labels = np.zeros(20 * clients, dtype=np.int64)
    split = partitioner(labels, clients, seed=6)
    require(split.metrics(labels)["nmi"] == 0.0, "one category has nothing to tell: NMI must be 0")


def _all_distinct(partitioner: Partitioner, clients: int) -> None:
    if partitioner.required_categories is not None:
        return
    labels = np.arange(20 * clients)
    split = partitioner(labels, clients, seed=7)
    require(split.num_examples == labels.size, f"{split.num_examples} of {labels.size}")


def _measures(partitioner: Partitioner, clients: int) -> None:
    labels = _labels(partitioner, clients)
    measured = partitioner(labels, clients, seed=8).metrics(labels)
    require(all(np.isfinite(list(measured.values()))), f"not finite: {measured}")
    for name in ("nmi", "total_variation", "size_gini"):
        require(0.0 <= measured[name] <= 1.0, f"{name} = {measured[name]} is not in [0, 1]")


def _refuses_factor(partitioner: Partitioner, clients: int) -> None:
    labels = _labels(partitioner, clients).astype(float)
    hole = labels.copy()
    hole[3] = np.nan
    require_refusal(lambda: partitioner(hole, clients), "a missing value")
    # Of whole numbers: a partitioner may take a table of floats as embeddings.
    table = np.stack([labels, labels]).astype(np.int64)
    require_refusal(lambda: partitioner(table, clients), "two dimensions")


def _few_examples(partitioner: Partitioner, clients: int) -> None:
    labels = np.arange(partitioner.required_categories or max(clients - 1, 1))
    many = clients if partitioner.required_clients else labels.size + 3
    try:
        split = partitioner(labels, many)
    except ValueError:  # sizes that are asked for, and there are not so many examples
        return
    require(split.num_clients == many, f"{split.num_clients} clients of {many}")
    require(split.num_examples == labels.size, f"{split.num_examples} of {labels.size}")


def _refuses_clients(partitioner: Partitioner, clients: int) -> None:
    labels = _labels(partitioner, clients)
    require_refusal(lambda: partitioner(labels, 0), "num_clients=0")


def _spec(partitioner: Partitioner, _clients: int) -> None:
    check_spec(PARTITIONERS, partitioner)


def _copies(partitioner: Partitioner, clients: int) -> None:
    split = partitioner(_labels(partitioner, clients), clients, seed=9)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "split.npz"
        split.save(path)
        require(Partition.load(path) == split, "what was loaded is not what was saved")
