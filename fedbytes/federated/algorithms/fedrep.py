"""FedRep: a client fits its own head first, and then the representation below it."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from fedbytes.federated.algorithm import ALGORITHMS, ClientMemory, Trained
from fedbytes.federated.context import RoundContext
from fedbytes.federated.lora.subspace import part_of_model
from fedbytes.federated.personal.private_part import PrivatePart
from fedbytes.plugin_fields import bounded


@ALGORITHMS.register("fedrep")
@dataclass(frozen=True)
class FedRep(PrivatePart):
    """Shared representations, one head a client (Collins et al. 2021, arXiv 2102.07078).

    A client takes `head_steps` of what it keeps, with what it was sent as it is, and then the
    local steps of what is shared, with its head as it is. The loss reported is of the latter.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"local_steps": 2, "head_steps": 3, "batch_size": 8, "learning_rate": 0.01},
    )

    head_steps: int = bounded(4, least=1)
    """Steps of what the client keeps, before those of what is shared."""

    def train(
        self,
        context: RoundContext,
        start: Tensor,
        indices: np.ndarray,
        memory: ClientMemory,
        rng: np.random.Generator,
    ) -> Trained:
        """Take the head's steps, then the representation's."""
        model, begin = context.model, self.whole(context, start, memory)
        head = replace(self, local_steps=self.head_steps, local_epochs=None)
        reduced, at = part_of_model(model, self.private_layout(model), begin)
        fitted = head.local(reduced, at, indices, {}, rng, correct=reduced.collect)
        kept = at + fitted.delta

        whole = self.whole(context, start, {"private": kept})
        reduced, at = part_of_model(model, self.synced_layout(model), whole)
        trained = self.local(reduced, at, indices, {}, rng, correct=reduced.collect)
        return Trained(trained.delta, trained.loss, {"private": kept})
