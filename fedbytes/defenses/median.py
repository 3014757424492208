"""Coordinate-wise median: each number is the median of what clients sent."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from fedbytes.defenses.robust_math.counted_rule import all_send, deltas_of
from fedbytes.defenses.robust_math.gram_matrix import Vectors
from fedbytes.defenses.robust_math.sorted_columns import middle, sorted_blocks
from fedbytes.federated import DEFENSES, Defense, PluginState, StageContext, Upload


@DEFENSES.register("median")
@dataclass(frozen=True)
class Median(Defense):
    """Take the median of each number over clients (Yin et al. 2018, arXiv:1803.01498).

    Deltas [1, 5], [2, 6] and [900, -900] become [2, 5]; of an even number of clients it is the
    mean of the two in the middle. It stays between honest values while attackers are fewer than
    half. Clients count once each.

    Of sparse deltas it is 0 wherever most clients left the number out.
    """

    by_coordinate: ClassVar[bool] = True

    def tolerates(self, clients: int) -> int:
        """Return the largest minority."""
        return (clients - 1) // 2

    def uploads(
        self, uploads: list[Upload], context: StageContext, state: PluginState
    ) -> tuple[list[Upload], PluginState]:
        """Put the median in the place of every delta."""
        return all_send(uploads, median_of(deltas_of(uploads))), state


def median_of(rows: Vectors) -> Tensor:
    """Return the median of each column [numel]."""
    made = torch.empty(len(rows[0]))
    for where, ascending in sorted_blocks(rows):
        made[where] = middle(ascending)
    return made
