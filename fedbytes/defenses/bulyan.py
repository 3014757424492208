"""Bulyan: Krum chooses clients, and each number is a mean around their median."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from fedbytes.arrays import Doubles
from fedbytes.defenses.robust_math.counted_rule import CountedRule, all_send, deltas_of
from fedbytes.defenses.robust_math.gram_matrix import Vectors, gram_matrix, squared_distances
from fedbytes.defenses.robust_math.krum_scores import krum_order
from fedbytes.defenses.robust_math.sorted_columns import mean_between, middle, sorted_blocks
from fedbytes.federated import DEFENSES, PluginState, StageContext, Upload


@DEFENSES.register("bulyan")
@dataclass(frozen=True)
class Bulyan(CountedRule):
    """Choose n - 2 f clients by Krum, one after another, and average what is near their median.

    El Mhamdi et al. 2018 (arXiv:1802.07927). Each number is the mean of the n - 4 f that are
    closest to the median of the chosen. Deltas 1, 2, 3, 4, 5, 6 and 99 at f = 1: five are chosen,
    99 is not, and three of them around their median remain. It needs n >= 4 f + 3.

    Attributes:
        f: how many of a round's clients may be hostile.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({},)
    by_coordinate: ClassVar[bool] = True
    clients_per_attacker: ClassVar[int] = 4
    least_beside: ClassVar[int] = 3

    def uploads(
        self, uploads: list[Upload], context: StageContext, state: PluginState
    ) -> tuple[list[Upload], PluginState]:
        """Put the mean around the median in the place of every delta.

        Too few clients for `f`, as where some were dropped, still lose the farthest.
        """
        f = min(self.f, (len(uploads) - 1) // 4)
        return all_send(uploads, bulyan_of(deltas_of(uploads), f)), state


def bulyan_of(rows: Vectors, f: int) -> Tensor:
    """Return Bulyan's choice [numel] of the rows, of whom f may be hostile."""
    chosen = _chosen(squared_distances(gram_matrix(rows)), f)
    return _near_median([rows[place] for place in chosen], len(chosen) - 2 * f)


def _chosen(squared: Doubles, f: int) -> list[int]:
    """Return n - 2 f rows: the best by Krum's score, then the best of the rest, and so on."""
    left, chosen = list(range(len(squared))), []
    for _ in range(len(squared) - 2 * f):
        best = krum_order(squared[np.ix_(left, left)], f)[0]
        chosen.append(left.pop(best))
    return chosen


def _near_median(rows: Vectors, count: int) -> Tensor:
    """Return the mean of the `count` numbers of each column that are nearest to its median.

    Of numbers in ascending order these stand side by side, so it tries each window of `count`.
    """
    made = torch.empty(len(rows[0]))
    for where, ascending in sorted_blocks(rows):
        centre = middle(ascending)
        best, mean = torch.full_like(centre, torch.inf), torch.zeros_like(centre)
        for start in range(len(ascending) - count + 1):
            first, last = ascending[start].double(), ascending[start + count - 1].double()
            reach = torch.maximum(centre - first, last - centre)
            mean = torch.where(reach < best, mean_between(ascending, start, start + count), mean)
            best = torch.minimum(reach, best)
        made[where] = mean
    return made
