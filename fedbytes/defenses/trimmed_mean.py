"""Trimmed mean: each number is the mean of what clients sent without the extremes."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from fedbytes.defenses.robust_math.counted_rule import CountedRule, all_send, deltas_of
from fedbytes.defenses.robust_math.gram_matrix import Vectors
from fedbytes.defenses.robust_math.sorted_columns import mean_between, sorted_blocks
from fedbytes.federated import DEFENSES, PluginState, StageContext, Upload


@DEFENSES.register("trimmed_mean")
@dataclass(frozen=True)
class TrimmedMean(CountedRule):
    """Leave the f smallest and f largest of each number out (Yin et al. 2018, arXiv:1803.01498).

    Numbers 1, 2, 3 and 900 of four clients become 2.5 at f = 1: the mean of 2 and 3. At f = 0 it
    is the mean of all, each client counted once. It needs n >= 2 f + 1.

    Attributes:
        f: how many of a round's clients may be hostile.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"f": 3})
    by_coordinate: ClassVar[bool] = True

    def uploads(
        self, uploads: list[Upload], context: StageContext, state: PluginState
    ) -> tuple[list[Upload], PluginState]:
        """Put the trimmed mean in the place of every delta."""
        mean = trimmed_mean_of(deltas_of(uploads), self.tolerates(len(uploads)))
        return all_send(uploads, mean), state


def trimmed_mean_of(rows: Vectors, f: int) -> Tensor:
    """Return the mean of each column [numel] without its f smallest and f largest."""
    made = torch.empty(len(rows[0]))
    for where, ascending in sorted_blocks(rows):
        made[where] = mean_between(ascending, f, len(ascending) - f)
    return made
