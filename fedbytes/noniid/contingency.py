"""Counts of examples by client and category, from which every measure is computed."""

from dataclasses import dataclass

import numpy as np

from fedbytes.arrays import Doubles, Int64s


@dataclass(frozen=True, eq=False)
class Contingency:
    """How many examples of each category each client holds; zeros are not stored.

    Attributes:
        clients, categories, counts: one entry per pair that occurs, ordered by client and category.
        num_clients, num_categories: the size of the whole table, empty clients included.
    """

    clients: Int64s
    categories: Int64s
    counts: Int64s
    num_clients: int
    num_categories: int

    @classmethod
    def of(
        cls, owners: Int64s, codes: Int64s, num_clients: int, num_categories: int
    ) -> "Contingency":
        """Count pairs; `owners` is the client of each example, -1 where nobody holds it."""
        held = owners >= 0
        keys, counts = np.unique(
            owners[held] * num_categories + codes[held] if num_categories else owners[held],
            return_counts=True,
        )
        clients, categories = np.divmod(keys, max(num_categories, 1))
        return cls(clients, categories, counts.astype(np.int64), num_clients, num_categories)

    @property
    def sizes(self) -> Int64s:
        """Examples of each client, [clients]."""
        return _sums(self.clients, self.counts, self.num_clients)

    @property
    def mix(self) -> Doubles:
        """Share of each category over all clients together, [categories]."""
        totals = _sums(self.categories, self.counts, self.num_categories)
        return totals / max(int(totals.sum()), 1)

    @property
    def shares(self) -> Doubles:
        """Share of the entry's category within its client, [entries]."""
        shares: Doubles = self.counts / self.sizes[self.clients]
        return shares

    def dense(self) -> Int64s:
        """The whole table, [clients, categories]."""
        table = np.zeros((self.num_clients, self.num_categories), dtype=np.int64)
        table[self.clients, self.categories] = self.counts
        return table


def _sums(keys: Int64s, counts: Int64s, size: int) -> Int64s:
    # Doubles hold counts exactly up to 2**53.
    return np.bincount(keys, counts, size).astype(np.int64)
