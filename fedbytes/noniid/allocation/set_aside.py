"""Texts of each client that nobody trains on, which audits of membership compare with."""

from collections.abc import Sequence

import numpy as np

from fedbytes.arrays import Int64s
from fedbytes.streams import stream


def set_aside(
    parts: Sequence[Int64s], share: float | None, seed: int
) -> tuple[list[Int64s], list[Int64s]]:
    """Split each client's examples into those that it trains on and those that nobody does.

    They are drawn at random within the client, so that both are of one distribution. Of 10 examples
    a share of 0.3 sets 3 aside; a client keeps at least one to train on.

    Args:
        parts: the examples of each client.
        share: of each client's examples that are set aside; None for none.
        seed: of the split.

    Returns:
        what each client trains on and what was set aside, both ascending; nothing was without a
        share.
    """
    if share is None:
        return list(parts), []
    kept, aside = [], []
    for client, part in enumerate(parts):
        count = min(int(share * len(part) + 0.5), max(0, len(part) - 1))
        chosen = stream(seed, "set aside", client).permutation(len(part))[:count]
        out = np.zeros(len(part), dtype=bool)
        out[chosen] = True
        kept.append(part[~out])
        aside.append(part[out])
    return kept, aside
