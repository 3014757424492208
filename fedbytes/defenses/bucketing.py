"""Bucketing: clients are put together at random, and each group sends its mean."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fedbytes.defenses.robust_math.counted_rule import deltas_of, vote_once
from fedbytes.defenses.robust_math.gram_matrix import mix
from fedbytes.federated import DEFENSES, Defense, PluginState, StageContext, Upload
from fedbytes.registry import bounded


@DEFENSES.register("bucketing")
@dataclass(frozen=True)
class Bucketing(Defense):
    """Put clients into groups of `s` at random, and hand the groups' means to the next rule.

    Karimireddy et al. 2022 (arXiv:2006.09365). Means of s clients differ less than clients do, and
    f attackers are in f groups at most, so of fewer groups they are a larger share. Ten clients at
    s = 2 become five uploads, and the next rule needs to be for the same f among five.

    Groups are drawn anew each round. Where s does not divide the clients, the last is smaller and
    its clients count more; algorithms that add up what clients send over rounds then refuse it.

    Attributes:
        s: clients of a group.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"s": 3})

    s: int = bounded(2, least=1)

    def leaves(self, clients: int) -> int:
        """Return the number of groups."""
        return -(-clients // self.s)

    def weighs_alike(self, clients: int) -> bool:
        """Return whether all groups are of `s`: each counts once, so in a smaller one each more."""
        return clients % self.s == 0

    def uploads(
        self, uploads: list[Upload], context: StageContext, state: PluginState
    ) -> tuple[list[Upload], PluginState]:
        """Return an upload for each group, in the name of its first client."""
        ordered = sorted(vote_once(uploads), key=lambda upload: upload.client)
        shuffled = [ordered[place] for place in context.rng().permutation(len(ordered))]
        groups = np.arange(len(shuffled)) // self.s
        weights = (groups[None] == np.arange(groups[-1] + 1)[:, None]).astype(np.float64)
        means = mix(deltas_of(shuffled), weights / weights.sum(1, keepdims=True))
        return [u.with_delta(m) for u, m in zip(shuffled[:: self.s], means, strict=True)], state
