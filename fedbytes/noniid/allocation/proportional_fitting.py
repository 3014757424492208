"""A table of clients and categories fitted to other sizes, in whole examples."""

import numpy as np

from fedbytes.noniid.arrays import Floats, Ints
from fedbytes.noniid.contingency import Contingency


def fit_table(
    table: Contingency, sizes: Ints, totals: Ints, rng: np.random.Generator
) -> Contingency:
    """Return the table with client sizes near `sizes` and category sizes near `totals`.

    Neither is exceeded. What is missing of both is where the table's zeros leave no way.

    Args:
        table: counts whose association of clients and categories is kept.
        sizes: the examples that each client is to have, [clients].
        totals: the examples that there are of each category, [categories].
        rng: decides equal remainders.
    """
    weights = fit_margins(table, sizes, totals)
    counts = np.floor(weights).astype(np.int64)
    need = sizes - np.bincount(table.clients, counts, sizes.size).astype(np.int64)
    room = totals - np.bincount(table.categories, counts, totals.size).astype(np.int64)
    # Largest remainders first, as far as client and category both have room.
    order = rng.permutation(counts.size)
    order = order[np.argsort(counts[order] - weights[order], kind="stable")]
    order = order[(weights > counts)[order]]
    pairs = zip(
        order.tolist(), table.clients[order].tolist(), table.categories[order].tolist(), strict=True
    )
    needs, rooms = need.tolist(), room.tolist()
    for entry, client, category in pairs:
        if needs[client] and rooms[category]:
            needs[client] -= 1
            rooms[category] -= 1
            counts[entry] += 1
    return Contingency(table.clients, table.categories, counts, sizes.size, totals.size)


def fit_margins(table: Contingency, sizes: Ints, totals: Ints, passes: int = 60) -> Floats:
    """Return weights of the table's entries whose sums come close to both margins from below.

    Iterative proportional fitting: it keeps the odds ratios, so who holds relatively more of what
    stays as it is, while client i ends with `sizes[i]` and category k with `totals[k]`. Where
    zeros make both impossible it stops after `passes`.
    """
    weights = table.counts.astype(np.float64)
    for _ in range(passes):
        weights *= _ratio(sizes, table.clients, weights)
        column = _ratio(totals, table.categories, weights)
        weights *= column
        if weights.size == 0 or float(np.abs(column - 1.0).max()) < 1e-4:
            break
    return weights * np.minimum(_ratio(sizes, table.clients, weights), 1.0)


def _ratio(wanted: Ints, keys: Ints, weights: Floats) -> Floats:
    sums = np.bincount(keys, weights, wanted.size)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio: Floats = np.where(sums > 0.0, wanted / sums, 0.0)[keys]
    return ratio
