"""Which test examples are each client's own: they are split as the training examples were."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from fedbytes.arrays import Int64s
from fedbytes.noniid import Factor, Partition
from fedbytes.noniid.allocation.test_split import split_like
from fedbytes.streams import stream

Columns = Mapping[str, np.ndarray]


def split_tests(
    partition: Partition, factor: Any, column: str, train: Columns, test: Columns, seed: int
) -> tuple[tuple[Int64s, ...], str]:
    """Return each client's own test examples, and what to know of the split, if anything.

    A client holds the share of every value of the factor that it holds of the training examples.
    Where test examples lack the factor, as where texts are clustered, the label takes its place,
    and without labels they are dealt by the clients' sizes.

    Args:
        partition: of the training examples.
        factor: the column that it followed, [training examples].
        column: the name of that column.
        train: the columns of the training examples.
        test: those of the test examples.
        seed: the run's seed.
    """
    followed, note = (factor, test.get(column)), ""
    if followed[1] is None and "label" in train and "label" in test:
        followed = train["label"], test["label"]
        note = f"test examples have no {column}: clients' own tests follow the labels"
    elif followed[1] is None:
        count = len(next(iter(test.values())))
        followed = np.zeros(partition.num_examples, dtype=np.int64), np.zeros(count, dtype=np.int64)
        note = f"test examples have no {column}: clients' own tests are dealt by size"
    whole, own = _alike(*followed)
    return split_like(partition, whole, own, stream(seed, "partition", 1)).indices, note


def _alike(train: Any, test: Any) -> tuple[Factor, Factor]:
    """Return both columns as factors; numbers that the test examples spell as text are numbers."""
    whole, own = Factor(train), Factor(test)
    kinds = (whole.categories.dtype.kind, own.categories.dtype.kind)
    if kinds[0] in "iufM" and kinds[1] not in "iufM":
        return whole, own.ordered()
    return whole, own
