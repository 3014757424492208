"""Centralised training: all texts in one place, which is what federation avoids."""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
from torch import Tensor

from fedbytes.federated.algorithm import ALGORITHMS, ClientMemory, Compatibility, Trained
from fedbytes.federated.algorithms.local import refuse_lossy_links
from fedbytes.federated.averaging import Averaging
from fedbytes.federated.context import RoundContext
from fedbytes.federated.optimizers.optimizer_state import give_moments, take_moments


@ALGORITHMS.register("centralised")
@dataclass(frozen=True)
class Centralised(Averaging):
    """Every client sends its texts in the first round, and one model is trained on all of them.

    A reference and no method: what it gives is what the data allow, for an upload of UTF-8 texts
    and labels (messages of kind `texts`; no codec, and nothing is sent down). In each round it
    takes `local_steps` on batches of all examples, or `local_epochs` passes over them, with one
    optimiser from the first round to the last. K clients of FedAvg together take K times as many
    steps: to spend the same computation, multiply `local_steps` by the clients of a round.
    """

    travels: ClassVar[Literal["vectors", "nothing", "texts"]] = "texts"
    needs_each: ClassVar[bool] = True
    server_optimizer: Literal["sgd"] = "sgd"

    def train(
        self,
        context: RoundContext,
        start: Tensor,
        indices: np.ndarray,
        memory: ClientMemory,
        rng: np.random.Generator,
    ) -> Trained:
        """Take the round's steps on the examples at `indices`; the memory is the optimiser's."""
        model = context.model
        optimizer = self._local_optimizer(model)
        give_moments(optimizer, model.flat, memory)
        trained = self.local(model, start, indices, {}, rng, optimizer=optimizer)
        return replace(trained, memory=take_moments(optimizer, model.flat))

    def refuses(self, compatibility: Compatibility) -> str | None:
        """Refuse codecs that lose something, of which there would be nothing to see."""
        return super().refuses(compatibility) or refuse_lossy_links(self.name, compatibility)
