"""Small-loss selection: a client drops the examples that the model it was sent finds hardest."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from fedbytes.federated import CLEANERS, Cleaner, PluginState, StageContext
from fedbytes.registry import bounded


@CLEANERS.register("loss")
@dataclass(frozen=True)
class Loss(Cleaner):
    """Drop a share of a client's examples, those of the largest loss, whenever it trains.

    The small-loss selection of MentorNet (Jiang et al. 2018, arXiv:1712.05055) and co-teaching (Han
    et al. 2018, arXiv:1804.06872), by the model that the client was sent. A network learns what
    most examples say before it learns the mislabelled ones, whose loss is larger until then.
    Losses 0.1, 0.2, 2.3 and 0.3 at `drop: 0.25` leave the first, second and fourth example. Of n
    examples floor(drop * n) are dropped. It costs one forward pass per example.

    Attributes:
        drop: share of the client's examples, in [0, 1).
        from_round: the first round that it drops in; an untrained model knows nothing yet.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"drop": 0.3, "from_round": 1})

    drop: float = bounded(0.1, least=0, below=1)
    from_round: int = bounded(2, least=1)

    def clean(
        self, indices: np.ndarray, context: StageContext, state: PluginState
    ) -> tuple[np.ndarray, PluginState]:
        """Keep the examples of the smallest loss, in their order."""
        dropped = int(self.drop * len(indices))
        if context.round < self.from_round or not dropped:
            return indices, state
        with torch.no_grad():
            losses = [self._loss(context, index) for index in indices]
        kept = np.argsort(losses, kind="stable")[: len(indices) - dropped]
        return indices[np.sort(kept)], state

    def _loss(self, context: StageContext, index: int) -> float:
        batch = next(context.model.batches(np.array([index]), 1, context.rng()))
        return float(context.model.loss(batch))
