"""From counts to owners: each category is shuffled, then cut among the clients."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fedbytes.noniid.allocation.largest_remainder import largest_remainder
from fedbytes.noniid.arrays import Floats, Ints
from fedbytes.noniid.contingency import Contingency
from fedbytes.noniid.factor import Factor


def deal_examples(factor: Factor, table: Contingency, rng: np.random.Generator) -> Ints:
    """Return the client of each example, [examples], that gives the counts of `table`.

    Examples of a category are drawn at random; those that the table leaves over are dropped (-1).
    """
    totals = count_categories(factor)
    used = np.bincount(table.categories, table.counts, totals.size).astype(np.int64)
    categories = np.concatenate([np.arange(totals.size), table.categories])
    clients = np.concatenate([np.full(totals.size, -1, dtype=np.int64), table.clients])
    counts = np.concatenate([totals - used, table.counts])
    order = np.lexsort((clients, categories))
    owners = np.empty(len(factor), dtype=np.int64)
    owners[shuffle_by_category(factor, rng)] = np.repeat(clients[order], counts[order])
    return owners


def shuffle_by_category(factor: Factor, rng: np.random.Generator) -> Ints:
    """Return all examples, category after category, in random order within each."""
    order = rng.permutation(len(factor))
    return order[np.argsort(_short(factor.codes[order]), kind="stable")]


def count_categories(factor: Factor) -> Ints:
    """Return the examples of each category, [categories]."""
    return np.bincount(factor.codes, minlength=factor.categories.size).astype(np.int64)


def share_among_holders(
    factor: Factor,
    holders: tuple[Ints, Ints],
    num_clients: int,
    weigh: Callable[[int, Ints], Floats],
    rng: np.random.Generator,
) -> Contingency:
    """Return the counts when each category is shared among the clients that may hold it.

    Args:
        factor: the column.
        holders: clients and categories, one entry a pair, ordered by category.
        num_clients: how many clients there are.
        weigh: from a category and its clients to their shares of it, which sum to one.
        rng: decides equal remainders.
    """
    clients, categories = holders
    totals = count_categories(factor)
    held, starts = np.unique(categories, return_index=True)
    parts = [
        largest_remainder(weigh(int(category), members), int(totals[category]), rng)
        for category, members in zip(held, np.split(clients, starts[1:]), strict=False)
    ]
    counts = np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)
    return Contingency(clients, categories, counts, num_clients, totals.size)


def cut_into_runs(order: Ints, sizes: Ints) -> Ints:
    """Return the client of each example when `order` is cut into runs of these sizes; -1 after."""
    owners = np.full(order.size, -1, dtype=np.int64)
    owners[order[: int(sizes.sum())]] = np.repeat(np.arange(sizes.size), sizes)
    return owners


def _short(codes: Ints) -> NDArray[np.integer]:
    """Return the codes as 16 bits where they fit: numpy sorts those by radix, ten times faster."""
    return codes.astype(np.uint16) if codes.size and int(codes.max()) < 2**16 else codes
