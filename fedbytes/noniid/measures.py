"""How different the clients of a partition are, measured rather than assumed from alpha."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Contingency:
    """How many examples of each category each client holds; only what is not zero is stored.

    Attributes:
        clients, categories, counts: one entry a pair that occurs, ordered by client and category.
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


def nmi(table: Contingency) -> float:
    """Return the mutual information of factor and client over the factor's entropy, in [0, 1].

    It is 0 when every client has the same mix, and 1 when the client tells the category. It
    equals the size-weighted Jensen-Shannon divergence of the clients' mixes over the entropy of
    the global mix. A factor of one category has nothing to tell, and gives 0. Small clients
    raise it a little even under an IID split, since a small sample never has the exact mix.
    """
    entropy = _entropy(table.mix)
    if entropy <= 0.0:
        return 0.0
    weights = table.counts / table.counts.sum()
    information = float(np.sum(weights * np.log(table.shares / table.mix[table.categories])))
    return min(max(information / entropy, 0.0), 1.0)


def effective_classes(table: Contingency) -> Floats:
    """Return exp of the entropy of each client's mix, [clients]; 0 for an empty client.

    It is the number of equally frequent categories that would be as diverse.
    """
    terms = -table.shares * np.log(table.shares)
    entropy = np.bincount(table.clients, terms, table.num_clients)
    return np.where(table.sizes > 0, np.exp(entropy), 0.0)


def total_variation(table: Contingency) -> Floats:
    """Return each client's total variation to the global mix, [clients], in [0, 1].

    Half the sum of absolute differences; what federated learning papers call EMD is twice this.
    It is 0 for an empty client.
    """
    # Both mixes sum to one, so the positive differences alone are half of all, and a category
    # that a client lacks never has a positive one.
    excess = np.maximum(table.shares - table.mix[table.categories], 0.0)
    return np.bincount(table.clients, excess, table.num_clients).astype(np.float64)


def gini(sizes: Ints) -> float:
    """Return the Gini coefficient of the clients' sizes: 0 if equal, towards 1 if one has all."""
    ordered = np.sort(np.asarray(sizes, dtype=np.float64))
    total = float(ordered.sum())
    if total <= 0.0:
        return 0.0
    count = ordered.size
    ranks = np.arange(1, count + 1, dtype=np.float64)
    return max(0.0, float(2.0 * np.sum(ranks * ordered) / (count * total) - (count + 1) / count))


def effective_clients(sizes: Ints) -> float:
    """Return 1 / sum of squared size shares: how many equal clients weigh as much.

    A size-weighted mean over the clients has the variance of a plain mean over this many. It is
    0 if no client holds anything.
    """
    total = float(np.sum(sizes))
    return float(1.0 / np.sum((np.asarray(sizes) / total) ** 2)) if total > 0.0 else 0.0


def measure(table: Contingency) -> dict[str, float]:
    """Return every measure of a partition as one number; means are over non-empty clients."""
    sizes = table.sizes
    held = sizes > 0
    empty = int(np.sum(~held))

    def mean(values: Floats) -> float:
        return float(values[held].mean()) if held.any() else 0.0

    return {
        "nmi": nmi(table),
        "effective_classes": mean(effective_classes(table)),
        "total_variation": mean(total_variation(table)),
        "size_gini": gini(sizes),
        "effective_clients": effective_clients(sizes),
        "empty_clients": float(empty),
    }


def _entropy(shares: Floats) -> float:
    positive = shares[shares > 0.0]
    return float(-np.sum(positive * np.log(positive)))


def _sums(keys: Ints, counts: Ints, size: int) -> Ints:
    # Floats hold counts exactly up to 2**53.
    return np.bincount(keys, counts, size).astype(np.int64)
