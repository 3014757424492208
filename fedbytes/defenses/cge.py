"""Comparative elimination: the clients of the longest deltas are left out."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from fedbytes.defenses.robust_math.counted_rule import CountedRule, vote_once
from fedbytes.federated import DEFENSES, PluginState, StageContext, Upload


@DEFENSES.register("cge")
@dataclass(frozen=True)
class ComparativeElimination(CountedRule):
    """Leave the f longest deltas out of the mean (Gupta et al. 2021, arXiv:2008.04699).

    Norms 1, 2, 3 and 900 at f = 1 leave the first three. It costs one norm for each client, and
    an attacker of an honest length is not seen. It needs n >= 2 f + 1.

    Attributes:
        f: how many of a round's clients may be hostile.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"f": 3})
    one_layout: ClassVar[bool] = False

    def leaves(self, clients: int) -> int:
        """Return how many it keeps."""
        return clients - self.tolerates(clients)

    def uploads(
        self, uploads: list[Upload], context: StageContext, state: PluginState
    ) -> tuple[list[Upload], PluginState]:
        """Keep the shortest, in the clients' order."""
        norms = [
            float(torch.linalg.vector_norm(upload.delta, dtype=torch.float64)) for upload in uploads
        ]
        kept = np.sort(np.argsort(norms, kind="stable")[: self.leaves(len(uploads))])
        return vote_once([uploads[place] for place in kept]), state
