"""Minimum-diameter averaging: the mean of the n - f clients that lie closest together."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fedbytes.arrays import Doubles
from fedbytes.defenses.robust_math.counted_rule import CountedRule, deltas_of, vote_once
from fedbytes.defenses.robust_math.gram_matrix import gram_matrix, squared_distances
from fedbytes.federated import DEFENSES, PluginState, StageContext, Upload


@DEFENSES.register("mda")
@dataclass(frozen=True)
class MinimumDiameterAveraging(CountedRule):
    """Keep the n - f clients whose largest distance to each other is the smallest.

    El Mhamdi et al. 2020 (arXiv:1905.03853). Of deltas 1, 2, 4, 5 and 99 at f = 1 the first four
    have a diameter of 4, and their mean is 3. Where several sets have the smallest diameter, those
    are left out first that are farthest from the others. It needs n >= 2 f + 1.

    Instead of trying all sets it asks, for a diameter, whether leaving f clients out breaks up all
    pairs further apart; the time grows as 2^f at worst, not as n over f.

    Attributes:
        f: how many of a round's clients may be hostile.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"f": 3})

    def leaves(self, clients: int) -> int:
        """Return how many it keeps."""
        return clients - self.tolerates(clients)

    def uploads(
        self, uploads: list[Upload], context: StageContext, state: PluginState
    ) -> tuple[list[Upload], PluginState]:
        """Keep the set of the smallest diameter, in the clients' order."""
        squared = squared_distances(gram_matrix(deltas_of(uploads)))
        kept = smallest_set(squared, self.tolerates(len(uploads)))
        return vote_once([uploads[place] for place in kept]), state


def smallest_set(squared: Doubles, f: int) -> list[int]:
    """Return n - f rows of the smallest diameter, in order.

    Args:
        squared: distances of each two rows [rows, rows].
        f: how many rows are left out.
    """
    diameters, far = np.unique(squared), squared.sum(1)
    low, high = 0, len(diameters) - 1
    while low < high:  # the smallest diameter that f rows less can have
        half = (low + high) // 2
        if _left_out(squared > diameters[half], far, f) is None:
            low = half + 1
        else:
            high = half
    out = _left_out(squared > diameters[low], far, f) or set()
    for place in np.argsort(-far, kind="stable"):
        if len(out) == f:
            break
        out.add(int(place))
    return [place for place in range(len(squared)) if place not in out]


def _left_out(apart: np.ndarray, far: Doubles, f: int) -> set[int] | None:
    """Return at most f rows of whom one is in each pair of `apart`; None if there are none.

    Either the row of most pairs is among them, or all that it is paired with. Of rows with as many
    pairs the farthest is asked first, so that the order of the rows does not matter.
    """
    counts = apart.sum(1)
    worst = int(np.lexsort((far, counts))[-1])
    if not counts[worst]:
        return set()
    if f == 0 or counts.sum() > 2 * f * counts[worst]:
        return None
    for chosen in ([worst], np.flatnonzero(apart[worst]).tolist()):
        if len(chosen) > f:
            continue
        rest = apart.copy()
        rest[chosen] = rest[:, chosen] = False
        found = _left_out(rest, far, f - len(chosen))
        if found is not None:
            return found | set(chosen)
    return None
