"""Multi-Krum: the mean of the clients that are closest to their neighbours."""

from dataclasses import dataclass
from typing import Any, ClassVar

from fedbytes.defenses.robust_math.counted_rule import CountedRule, deltas_of, vote_once
from fedbytes.defenses.robust_math.gram_matrix import gram_matrix, squared_distances
from fedbytes.defenses.robust_math.krum_scores import krum_order
from fedbytes.federated import DEFENSES, PluginState, StageContext, Upload
from fedbytes.registry import bounded


@DEFENSES.register("multi_krum")
@dataclass(frozen=True)
class MultiKrum(CountedRule):
    """Keep the m clients of the smallest Krum scores, each counted once in the mean.

    Blanchard et al. 2017 (arXiv:1703.02757). Deltas 1, 2, 4, 5 and 99 at f = 1 leave the first
    four, whose mean is 3. At m = n it is the mean of all. It needs n >= 2 f + 3.

    Attributes:
        f: how many of a round's clients may be hostile.
        m: how many are kept, all of the round if there are fewer; None for n - f.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"f": 2, "m": 4})
    least_beside: ClassVar[int] = 3

    m: int | None = bounded(None, least=1)

    def leaves(self, clients: int) -> int:
        """Return how many it keeps: too few clients for `f` still lose the farthest."""
        return min(clients, self.m or clients - min(self.f, (clients - 1) // 2))

    def uploads(
        self, uploads: list[Upload], context: StageContext, state: PluginState
    ) -> tuple[list[Upload], PluginState]:
        """Keep the clients of the smallest scores, in their order."""
        squared = squared_distances(gram_matrix(deltas_of(uploads)))
        order = krum_order(squared, self.tolerates(len(uploads)))
        kept = sorted(order[: self.leaves(len(uploads))])
        return vote_once([uploads[place] for place in kept]), state
