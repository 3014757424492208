"""Clients of given sizes that draw their examples by a mix of their own, without replacement."""

from collections.abc import Callable

import numpy as np

from fedbytes.noniid.arrays import Floats, Ints
from fedbytes.noniid.contingency import Contingency

Apportion = Callable[[Floats, int], Ints]


def fill_clients(
    mix: Callable[[int], Floats],
    sizes: Ints,
    available: Ints,
    apportion: Apportion,
    rng: np.random.Generator,
) -> Contingency:
    """Return the counts when clients, in random order, take their size of what is left.

    A category that runs out is left out of a client's mix from then on, as Hsu et al. 2019
    (arXiv:1909.06335) do; a client whose mix has nothing left takes in proportion to what there
    is. Every pass but a client's last uses up a category, so there are at most as many passes as
    categories and clients together.

    Args:
        mix: from a client to non-negative weights of the categories, [categories].
        sizes: examples of each client, [clients]; they sum to at most `available`.
        available: examples of each category, [categories].
        apportion: from shares that sum to one and a number to whole numbers that sum to it.
        rng: draws the order of the clients.
    """
    left = available.copy()
    entries: list[tuple[Ints, Ints]] = []
    nothing = np.zeros(0, dtype=np.int64)
    order = rng.permutation(sizes.size)
    for client in order:
        if sizes[client] == 0:
            entries.append((nothing, nothing))
            continue
        taken = _take(mix(int(client)), int(sizes[client]), left, apportion)
        left -= taken
        held = np.flatnonzero(taken)
        entries.append((held, taken[held]))
    lengths = [held.size for held, _ in entries]
    clients = np.repeat(order, lengths)
    categories = np.concatenate([held for held, _ in entries] or [nothing])
    counts = np.concatenate([taken for _, taken in entries] or [nothing])
    return Contingency(clients, categories, counts, sizes.size, available.size)


def _take(weights: Floats, size: int, left: Ints, apportion: Apportion) -> Ints:
    taken = np.zeros_like(left)
    for _ in range(left.size + 1):
        wanted = size - int(taken.sum())
        if wanted == 0:
            break
        room = left - taken
        open_weights = np.where(room > 0, weights, 0.0)
        total = float(open_weights.sum())
        if not total > 1e-280:
            open_weights = room.astype(np.float64)
            total = float(open_weights.sum())
        taken += np.minimum(apportion(open_weights / total, wanted), room)
    return taken


def apportion_at_random(rng: np.random.Generator) -> Apportion:
    """Return the rounding that draws each example's category independently."""
    return lambda shares, number: rng.multinomial(number, shares).astype(np.int64, copy=False)
