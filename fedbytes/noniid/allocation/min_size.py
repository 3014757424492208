"""Clients that are too small: refuse, repair or allow them."""

from typing import Literal

import numpy as np

from fedbytes.noniid.allocation.largest_remainder import share_by_surplus
from fedbytes.noniid.arrays import Ints
from fedbytes.noniid.partition import Partition

OnSmall = Literal["raise", "repair", "allow"]


def enforce_min_size(
    owners: Ints, num_clients: int, min_size: int, on_small: OnSmall, rng: np.random.Generator
) -> Partition:
    """Return the partition of `owners`, with clients below `min_size` treated as `on_small` says.

    Drawing again until every client is large enough may never end, and changes the distribution
    without saying so. Here a draw is kept, and a repair moves the fewest examples that are
    needed: clients above `min_size` give in proportion to their surplus, examples drawn without
    regard to class. `Partition.moved` counts them.

    Raises:
        ValueError: if `on_small` is `"raise"` and a client is too small, or if there are not
            enough examples for a repair.
    """
    held = owners >= 0
    sizes = np.bincount(owners[held], minlength=num_clients).astype(np.int64)
    small = sizes < min_size
    if on_small == "allow" or not small.any():
        return Partition.from_owners(owners, num_clients)
    if on_small == "raise":
        raise ValueError(
            f"{int(small.sum())} of {num_clients} clients have fewer than min_size={min_size} "
            f"examples, the smallest {int(sizes.min())}; lower min_size or num_clients, weaken "
            'the skew, or set on_small to "repair" or "allow"'
        )
    if num_clients * min_size > int(sizes.sum()):
        raise ValueError(
            f"{num_clients} clients of min_size={min_size} need {num_clients * min_size} "
            f"examples, there are {int(sizes.sum())}; lower min_size or num_clients"
        )
    return _repair(owners, sizes, min_size, rng)


def _repair(owners: Ints, sizes: Ints, min_size: int, rng: np.random.Generator) -> Partition:
    lack = np.maximum(min_size - sizes, 0)
    moved = int(lack.sum())
    given = share_by_surplus(np.maximum(sizes - min_size, 0), moved)
    # Shuffle, then sort by owner: each client's examples lie together, in random order, and its
    # first `given` are the ones that go.
    shuffled = rng.permutation(owners.size)
    if int(sizes.sum()) < owners.size:
        shuffled = shuffled[owners[shuffled] >= 0]
    shuffled = shuffled[np.argsort(owners[shuffled], kind="stable")]
    starts = np.cumsum(sizes) - sizes
    rank = np.arange(shuffled.size) - np.repeat(starts, sizes)
    pool = rng.permutation(shuffled[rank < np.repeat(given, sizes)])
    repaired = owners.copy()
    repaired[pool] = np.repeat(np.arange(sizes.size, dtype=np.int64), lack)
    return Partition.from_owners(repaired, sizes.size, moved)
