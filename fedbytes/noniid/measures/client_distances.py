"""Distances between pairs of clients."""

from typing import Literal

import numpy as np

from fedbytes.noniid.arrays import Floats, Ints
from fedbytes.noniid.contingency import Contingency
from fedbytes.streams import stream

Distance = Literal["jensen_shannon", "hellinger"]

MOST_CLIENTS = 1000  # of a matrix; more are sampled
MOST_FOR_MEAN = 256
_TERMS = 1 << 21  # pair terms held at once


def pairwise_distances(
    table: Contingency, distance: Distance = "jensen_shannon", most: int = MOST_CLIENTS
) -> tuple[Ints, Floats]:
    """Return the distance of every pair of clients.

    Only categories that two clients share enter, so time and memory do not grow with the number
    of categories as such, and a vocabulary will do.

    Args:
        table: from `Partition.contingency`, or of words (`fedbytes.noniid.features.unigrams`).
        distance: `jensen_shannon`, the divergence in bits, or `hellinger`; both in [0, 1].
        most: clients in the matrix. More are sampled, from a fixed stream, not from the first.

    Returns:
        the clients, sorted int64 [n], and their distances, float64 [n, n]: symmetric, 0 on the
        diagonal, and 0 to and from a client that holds nothing.

    Raises:
        ValueError: for another distance, or `most` below 1.
    """
    if distance not in ("jensen_shannon", "hellinger"):
        raise ValueError(f"distance must be jensen_shannon or hellinger, got {distance!r}")
    if most < 1:
        raise ValueError(f"most must be at least 1 client, got {most}")
    clients = _sampled(np.arange(table.num_clients, dtype=np.int64), most)
    return clients, _matrix(table, clients, distance)


def mean_distance(
    table: Contingency, distance: Distance = "jensen_shannon", most: int = MOST_FOR_MEAN
) -> float:
    """Return the mean distance of two different non-empty clients, over `most` of them at most.

    It is 0 if fewer than two clients hold anything.
    """
    clients = _sampled(np.flatnonzero(table.sizes > 0).astype(np.int64), most)
    if clients.size < 2:
        return 0.0
    total = float(_matrix(table, clients, distance).sum())
    return total / (clients.size * (clients.size - 1))


def _sampled(clients: Ints, most: int) -> Ints:
    if clients.size <= most:
        return clients
    rng = stream(0, "pairwise distances")
    return np.sort(rng.permutation(clients)[:most])


def _matrix(table: Contingency, clients: Ints, distance: Distance) -> Floats:
    overlap = _overlaps(table, clients, distance)
    distances = np.clip(1.0 - overlap, 0.0, 1.0)
    if distance == "hellinger":
        distances = np.sqrt(distances)
    np.fill_diagonal(distances, 0.0)
    empty = table.sizes[clients] == 0
    distances[empty, :] = 0.0
    distances[:, empty] = 0.0
    return distances


def _overlaps(table: Contingency, clients: Ints, distance: Distance) -> Floats:
    """Return the overlap of every two clients, [n, n]: 1 for equal mixes, 0 for disjoint ones."""
    index = np.full(table.num_clients, -1, dtype=np.int64)
    index[clients] = np.arange(clients.size)
    chosen = np.flatnonzero(index[table.clients] >= 0)
    chosen = chosen[np.argsort(table.categories[chosen], kind="stable")]
    who, shares = index[table.clients[chosen]], table.shares[chosen]
    _, starts, holders = np.unique(table.categories[chosen], return_index=True, return_counts=True)
    total = np.zeros((clients.size, clients.size))
    # Categories with equally many holders make a rectangular block, which numpy takes whole.
    for many in np.unique(holders[holders > 1]).tolist():
        first = starts[holders == many]
        step = max(1, _TERMS // many**2)
        for begin in range(0, first.size, step):
            entries = first[begin : begin + step, None] + np.arange(many)
            rows, p = who[entries], shares[entries]
            terms = _common(p[:, :, None], p[:, None, :], distance)
            if len(rows) == 1:
                total[np.ix_(rows[0], rows[0])] += terms[0]
            else:
                pairs = rows[:, :, None] * clients.size + rows[:, None, :]
                flat = np.bincount(pairs.ravel(), terms.ravel(), clients.size**2)
                total += flat.reshape(total.shape)
    return total


def _common(p: Floats, q: Floats, distance: Distance) -> Floats:
    """Return a shared category's part of 1 minus the distance (Hellinger's before the root).

    The divergence is the sum over categories of p/2 log2(p/m) + q/2 log2(q/m), where m is the
    mean of p and q. A category that one client lacks adds m. All m sum to 1, so what is left
    below 1 is decided by the categories that both have.
    """
    if distance == "hellinger":
        common: Floats = np.sqrt(p * q)
        return common
    m = (p + q) / 2
    divergence: Floats = (p * np.log2(p / m) + q * np.log2(q / m)) / 2
    return m - divergence
