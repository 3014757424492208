"""Test data split like the training data."""

import numpy as np

from fedbytes.noniid.allocation.deal_by_counts import deal_examples
from fedbytes.noniid.allocation.largest_remainder import largest_remainder
from fedbytes.noniid.allocation.random_shares import normalise_shares
from fedbytes.noniid.arrays import Ints
from fedbytes.noniid.contingency import Contingency
from fedbytes.noniid.factor import Factor
from fedbytes.noniid.partition import Partition


def split_like(
    partition: Partition, train: Factor, test: Factor, rng: np.random.Generator
) -> Partition:
    """Split `test` so that each client holds the share of a category that it holds of `train`.

    Each category is cut by largest remainder. A value that the training data lack goes by the
    clients' sizes, or, for numbers with fractions and dates, as the nearest value that they have.
    What nobody holds of the training data nobody holds of the test data.
    """
    like = _counterparts(train, test)
    table = partition.contingency(train)
    order = np.lexsort((table.clients, table.categories))
    ends = np.cumsum(np.bincount(table.categories, minlength=table.num_categories))
    clients = np.split(table.clients[order], ends[:-1]) if ends.size else []
    counts = np.split(table.counts[order], ends[:-1]) if ends.size else []
    everyone = np.flatnonzero(partition.sizes)
    held = np.bincount(train.codes[partition.owners >= 0], minlength=table.num_categories)
    totals = np.bincount(train.codes, minlength=table.num_categories)
    parts = []
    for category, total in enumerate(np.bincount(test.codes, minlength=test.categories.size)):
        known = like[category]
        who, weights = (
            (clients[known], counts[known]) if known >= 0 else (everyone, partition.sizes[everyone])
        )
        kept = float(held[known] / totals[known]) if known >= 0 else 1.0
        number = int(np.floor(total * kept + 0.5)) if who.size else 0
        if number:
            parts.append(
                (
                    who,
                    category,
                    largest_remainder(normalise_shares(weights.astype(np.float64)), number, rng),
                )
            )
    return Partition.from_owners(
        deal_examples(test, _table(parts, partition.num_clients, test), rng), partition.num_clients
    )


def _table(parts: list[tuple[Ints, int, Ints]], num_clients: int, test: Factor) -> Contingency:
    nothing = [np.zeros(0, dtype=np.int64)]
    clients = np.concatenate([who for who, _, _ in parts] or nothing)
    categories = np.repeat([k for _, k, _ in parts], [who.size for who, _, _ in parts]).astype(
        np.int64
    )
    counts = np.concatenate([given for _, _, given in parts] or nothing)
    return Contingency(clients, categories, counts, num_clients, test.categories.size)


def _counterparts(train: Factor, test: Factor) -> Ints:
    """Return, for each category of `test`, its index among those of `train`, or -1 for none."""
    index = {value: i for i, value in enumerate(train.categories.tolist())}
    found = np.array([index.get(v, -1) for v in test.categories.tolist()], dtype=np.int64)
    if (
        train.categories.dtype.kind in "fM"
        and train.categories.dtype.kind == test.categories.dtype.kind
    ):
        right = np.clip(np.searchsorted(train.categories, test.categories), 1, None)
        right = np.minimum(right, train.categories.size - 1)
        left = np.maximum(right - 1, 0)
        near_left = (
            test.categories - train.categories[left] <= train.categories[right] - test.categories
        )
        found = np.where(found < 0, np.where(near_left, left, right), found)
    return found
