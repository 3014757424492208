"""Geometric median: the point whose distances to clients' deltas sum to the least."""

from dataclasses import dataclass

import numpy as np

from fedbytes.arrays import Doubles
from fedbytes.defenses.robust_math.counted_rule import all_send, deltas_of
from fedbytes.defenses.robust_math.gram_matrix import (
    distances_to,
    gram_matrix,
    mix,
    squared_distances,
)
from fedbytes.federated import DEFENSES, Defense, PluginState, StageContext, Upload
from fedbytes.registry import bounded


@DEFENSES.register("geometric_median")
@dataclass(frozen=True)
class GeometricMedian(Defense):
    """Minimise the sum of distances to the deltas (RFA, Pillutla et al. 2022, arXiv:1912.13445).

    Deltas 0, 1 and 900 become 1: one further away pulls no harder. It stays close to the honest
    ones while attackers are fewer than half. Clients count once each.

    Weiszfeld's steps are taken on the weights of the deltas, by their inner products: a step costs
    n^2, whatever the length, and begins at the mean of the majority around the most central delta.

    Attributes:
        iterations: steps at most; they end when the weights stay the same.
        eps: below this share of the median distance, a distance counts as that much: a delta that
            the point comes to lie on would have an infinite weight.
    """

    iterations: int = bounded(200, least=1)
    eps: float = bounded(1e-6, above=0, below=1)

    def tolerates(self, clients: int) -> int:
        """Return the largest minority."""
        return (clients - 1) // 2

    def uploads(
        self, uploads: list[Upload], context: StageContext, state: PluginState
    ) -> tuple[list[Upload], PluginState]:
        """Put the geometric median in the place of every delta."""
        deltas = deltas_of(uploads)
        gram = gram_matrix(deltas)
        start = central_majority(gram)
        shortest = self.eps * float(np.median(distances_to(gram, start)))
        weights = weiszfeld(gram, start, shortest, self.iterations)
        return all_send(uploads, mix(deltas, weights[None])[0]), state


def central_majority(gram: Doubles) -> Doubles:
    """Return the weights of the mean of the majority next to the row that is nearest to all."""
    distances = np.sqrt(squared_distances(gram))
    central = int(np.argmin(distances.sum(1)))
    majority = np.argsort(distances[central], kind="stable")[: len(gram) // 2 + 1]
    weights = np.zeros(len(gram))
    weights[majority] = 1 / len(majority)
    return weights


def weiszfeld(gram: Doubles, weights: Doubles, shortest: float, iterations: int) -> Doubles:
    """Return the weights of the rows after smoothed Weiszfeld steps.

    Args:
        gram: inner products of the rows [rows, rows].
        weights: of the rows, for the point to begin at.
        shortest: what shorter distances count as.
        iterations: steps at most.
    """
    for _ in range(iterations):
        pull = 1 / np.maximum(distances_to(gram, weights), max(shortest, 1e-300))
        after = pull / pull.sum()
        if np.abs(after - weights).sum() < 1e-12:
            break
        weights = after
    return weights
