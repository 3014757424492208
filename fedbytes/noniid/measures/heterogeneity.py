"""How different the clients of a partition are, measured rather than assumed from alpha."""

import numpy as np

from fedbytes.noniid.arrays import Floats, Ints
from fedbytes.noniid.contingency import Contingency
from fedbytes.noniid.measures.client_distances import mean_distance


def nmi(table: Contingency) -> float:
    """Return the mutual information of factor and client over the factor's entropy, in [0, 1].

    It is 0 when every client has the same mix, and 1 when the client tells the category. It
    equals `jensen_shannon` over the entropy of the global mix. A factor of one category has
    nothing to tell, and gives 0. Small clients raise it a little even under an IID split, since
    a small sample never has the exact mix.
    """
    entropy = _entropy(table.mix)
    if entropy <= 0.0:
        return 0.0
    return min(max(_information(table) / entropy, 0.0), 1.0)


def jensen_shannon(table: Contingency) -> float:
    """Return the size-weighted Jensen-Shannon divergence of all clients' mixes, in bits.

    It is the entropy of the global mix minus the mean entropy within a client, which is the
    mutual information of factor and client; at most log2 of the number of categories.
    """
    return max(_information(table) / float(np.log(2.0)), 0.0)


def label_entropy(table: Contingency) -> Floats:
    """Return the entropy of each client's mix in nats, [clients]; 0 for an empty client."""
    terms = -table.shares * np.log(table.shares)
    return np.maximum(np.bincount(table.clients, terms, table.num_clients), 0.0)


def effective_classes(table: Contingency) -> Floats:
    """Return exp of the entropy of each client's mix, [clients]; 0 for an empty client.

    It is the number of equally frequent categories that would be as diverse.
    """
    return np.where(table.sizes > 0, np.exp(label_entropy(table)), 0.0)


def total_variation(table: Contingency) -> Floats:
    """Return each client's total variation to the global mix, [clients], in [0, 1].

    Half the sum of absolute differences; what federated learning papers call EMD is twice this.
    It is 0 for an empty client.
    """
    # Both mixes sum to one, so the positive differences alone are half of all, and a category
    # that a client lacks never has a positive one.
    excess = np.maximum(table.shares - table.mix[table.categories], 0.0)
    return np.bincount(table.clients, excess, table.num_clients).astype(np.float64)


def hellinger(table: Contingency) -> Floats:
    """Return each client's Hellinger distance to the global mix, [clients], in [0, 1].

    The root of 1 minus the sum of sqrt(p q). It is 0 for an empty client.
    """
    # As half the squared differences of the roots: 1 minus a sum near 1 would keep rounding
    # errors of 1e-16, and the root makes 1e-8 of them.
    mix = table.mix[table.categories]
    squares = (np.sqrt(table.shares) - np.sqrt(mix)) ** 2
    held = np.bincount(table.clients, minlength=table.num_clients)
    missing = 1.0 - np.bincount(table.clients, mix, table.num_clients)
    missing[held == np.count_nonzero(table.mix)] = 0.0
    total = np.bincount(table.clients, squares, table.num_clients) + missing
    return np.where(table.sizes > 0, np.sqrt(np.clip(total / 2, 0.0, 1.0)), 0.0)


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


def measure_heterogeneity(table: Contingency) -> dict[str, float]:
    """Return every measure of a partition as one number; means are over non-empty clients."""
    sizes = table.sizes
    held = sizes > 0
    empty = int(np.sum(~held))

    def mean(values: Floats) -> float:
        return float(values[held].mean()) if held.any() else 0.0

    return {
        "nmi": nmi(table),
        "effective_classes": mean(effective_classes(table)),
        "label_entropy": mean(label_entropy(table)),
        "total_variation": mean(total_variation(table)),
        "hellinger": mean(hellinger(table)),
        "jensen_shannon": jensen_shannon(table),
        "pairwise_jensen_shannon": mean_distance(table),
        "size_gini": gini(sizes),
        "effective_clients": effective_clients(sizes),
        "empty_clients": float(empty),
    }


def _information(table: Contingency) -> float:
    """Return the mutual information of factor and client in nats; 0 if nothing is held."""
    if table.counts.size == 0:
        return 0.0
    weights = table.counts / table.counts.sum()
    return float(np.sum(weights * np.log(table.shares / table.mix[table.categories])))


def _entropy(shares: Floats) -> float:
    positive = shares[shares > 0.0]
    return float(-np.sum(positive * np.log(positive)))
