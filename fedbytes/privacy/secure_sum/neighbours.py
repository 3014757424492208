"""Who masks with whom: all with all, or each client of a round with k others."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np


def draw_neighbours(
    clients: Sequence[int], degree: int | None, rng: np.random.Generator
) -> dict[int, list[int]]:
    """Return each client's neighbours, ascending: a random graph in which all have as many.

    The clients stand on a circle in random order, and each has the `degree / 2` next ones on both
    sides (Bell et al. 2020, arXiv 2006.01893, section 3).

    Args:
        clients: of the round.
        degree: an even number; None, or as many as there are others, for all with all.
        rng: known to all.
    """
    count = len(clients)
    if degree is None or degree >= count - 1:
        return {client: [other for other in clients if other != client] for client in clients}
    circle = [clients[int(place)] for place in rng.permutation(count)]
    steps = [step for k in range(1, degree // 2 + 1) for step in (k, -k)]
    return {
        client: sorted(circle[(place + step) % count] for step in steps)
        for place, client in enumerate(circle)
    }


def hang_together(clients: Collection[int], neighbours: Mapping[int, Sequence[int]]) -> bool:
    """Return whether each of some clients reaches all of them by pairs of neighbours among them.

    If not, the masks of each part cancel in the sum of that part alone.
    """
    left = set(clients)
    found = [left.pop()] if left else []
    while found:
        reached = left.intersection(neighbours[found.pop()])
        left -= reached
        found += reached
    return not left
