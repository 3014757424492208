"""Counts of examples by client and category, from which every measure is computed."""

from dataclasses import dataclass

import numpy as np

from fedbytes.noniid.arrays import Floats, Ints


@dataclass(frozen=True, eq=False)
class Contingency:
    """How many examples of each category each client holds; zeros are not stored.

    Attributes:
        clients, categories, counts: one entry per pair that occurs, ordered by client and category.
        num_clients, num_categories: the size of the whole table, empty clients included.
    """

    clients: Ints
    categories: Ints
    counts: Ints
    num_clients: int
    num_categories: int

    @classmethod
    def of(cls, owners: Ints, codes: Ints, num_clients: int, num_categories: int) -> "Contingency":
        """Count pairs; `owners` is the client of each example, -1 where nobody holds it."""
        held = owners >= 0
        keys, counts = np.unique(
            owners[held] * num_categories + codes[held] if num_categories else owners[held],
            return_counts=True,
        )
        clients, categories = np.divmod(keys, max(num_categories, 1))
        return cls(clients, categories, counts.astype(np.int64), num_clients, num_categories)

    @property
    def sizes(self) -> Ints:
        """Examples of each client, [clients]."""
        return _sums(self.clients, self.counts, self.num_clients)

    @property
    def mix(self) -> Floats:
        """Share of each category over all clients together, [categories]."""
        totals = _sums(self.categories, self.counts, self.num_categories)
        return totals / max(int(totals.sum()), 1)

    @property
    def shares(self) -> Floats:
        """Share of the entry's category within its client, [entries]."""
        shares: Floats = self.counts / self.sizes[self.clients]
        return shares

    def dense(self) -> Ints:
        """The whole table, [clients, categories]."""
        table = np.zeros((self.num_clients, self.num_categories), dtype=np.int64)
        table[self.clients, self.categories] = self.counts
        return table


def _sums(keys: Ints, counts: Ints, size: int) -> Ints:
    # Floats hold counts exactly up to 2**53.
    return np.bincount(keys, counts, size).astype(np.int64)
