"""Assignment of categories to clients, for schemes with few classes per client."""

from typing import Literal

import numpy as np

from fedbytes.noniid.arrays import Ints

Assignment = Literal["balanced", "random"]


def assign_classes(
    num_clients: int,
    num_classes: int,
    per_client: int,
    assignment: Assignment,
    rng: np.random.Generator,
    first: Ints | None = None,
) -> tuple[Ints, Ints]:
    """Return distinct pairs of client and class, ordered by class and then client.

    Args:
        num_clients: how many clients there are.
        num_classes: how many classes there are.
        per_client: classes of each client; all of them where there are fewer.
        assignment: `random` draws a client's classes uniformly, and may leave classes to nobody;
            `balanced` draws among the classes that the fewest clients hold so far, so that the
            numbers of holders differ by at most one.
        first: a class that each client holds in any case, [clients].
        rng: decides.
    """
    wanted = min(per_client, num_classes) - (first is not None)
    held = np.zeros(num_classes)
    if first is not None:
        held += np.bincount(first, minlength=num_classes)
    rows = np.empty((num_clients, wanted), dtype=np.int64)
    for client in range(num_clients if wanted > 0 else 0):
        key = rng.random(num_classes)
        if assignment == "balanced":
            key += held
        if first is not None:
            key[first[client]] = np.inf
        rows[client] = np.argpartition(key, wanted - 1)[:wanted]
        held[rows[client]] += 1
    classes = rows.ravel() if first is None else np.concatenate([rows.ravel(), first])
    clients = np.repeat(np.arange(num_clients), wanted)
    if first is not None:
        clients = np.concatenate([clients, np.arange(num_clients)])
    order = np.lexsort((clients, classes))
    return clients[order], classes[order]
