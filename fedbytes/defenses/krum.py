"""Krum: the delta of the one client that is closest to its neighbours."""

from dataclasses import dataclass
from typing import Any, ClassVar

from fedbytes.defenses.robust_math.counted_rule import CountedRule, all_send, deltas_of
from fedbytes.defenses.robust_math.gram_matrix import gram_matrix, squared_distances
from fedbytes.defenses.robust_math.krum_scores import krum_order
from fedbytes.federated import DEFENSES, PluginState, StageContext, Upload


@DEFENSES.register("krum")
@dataclass(frozen=True)
class Krum(CountedRule):
    """Take the delta whose n - f - 2 nearest others are closest to it, and no other.

    Blanchard et al. 2017 (arXiv:1703.02757). Of deltas 1, 2, 4, 5 and 99 at f = 1 each has two
    neighbours: their squared distances are 1 + 9, 1 + 4, 1 + 4, 1 + 9 and more; of the two best
    the one nearer to all is taken: 4. What one client sent is noisy, and under skew it is that of
    one client's data. It needs n >= 2 f + 3.

    Attributes:
        f: how many of a round's clients may be hostile.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"f": 3})
    least_beside: ClassVar[int] = 3

    def uploads(
        self, uploads: list[Upload], context: StageContext, state: PluginState
    ) -> tuple[list[Upload], PluginState]:
        """Put the chosen delta in the place of every other."""
        squared = squared_distances(gram_matrix(deltas_of(uploads)))
        chosen = krum_order(squared, self.tolerates(len(uploads)))[0]
        return all_send(uploads, uploads[chosen].delta), state
