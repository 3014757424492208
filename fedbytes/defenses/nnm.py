"""Nearest-neighbour mixing: each delta becomes the mean of those next to it."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fedbytes.arrays import Doubles
from fedbytes.defenses.robust_math.counted_rule import CountedRule, deltas_of, vote_once
from fedbytes.defenses.robust_math.gram_matrix import gram_matrix, mix, squared_distances
from fedbytes.federated import DEFENSES, PluginState, StageContext, Upload


@DEFENSES.register("nnm")
@dataclass(frozen=True)
class NearestNeighbourMixing(CountedRule):
    """Replace each delta by the mean of the n - f nearest to it, itself included.

    Allouah et al. 2023 (arXiv:2302.01772). It comes in front of another rule, which then copes
    with clients whose data differ: `defense: [{name: nnm, f: 2}, {name: trimmed_mean, f: 2}]`.
    Deltas 1, 2, 4 and 99 at f = 1 become 7/3, 7/3, 7/3 and 35. At f = 0 all are the mean. It
    needs n >= 2 f + 1.

    Attributes:
        f: how many of a round's clients may be hostile.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"f": 3})

    def uploads(
        self, uploads: list[Upload], context: StageContext, state: PluginState
    ) -> tuple[list[Upload], PluginState]:
        """Replace each delta by a mean."""
        deltas = deltas_of(uploads)
        squared = squared_distances(gram_matrix(deltas))
        mixed = mix(deltas, neighbour_weights(squared, self.tolerates(len(uploads))))
        return [u.with_delta(delta) for u, delta in zip(vote_once(uploads), mixed, strict=True)], (
            state
        )


def neighbour_weights(squared: Doubles, f: int) -> Doubles:
    """Return for each row the weights of the mean of its n - f nearest [rows, rows]."""
    count = len(squared) - f
    nearest = np.argsort(squared, axis=1, kind="stable")[:, :count]
    weights = np.zeros_like(squared)
    np.put_along_axis(weights, nearest, 1 / count, axis=1)
    return weights
