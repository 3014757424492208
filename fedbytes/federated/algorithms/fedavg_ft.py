"""FedAvg, and at the end each client tunes the model on its own examples."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from fedbytes.federated.algorithm import ALGORITHMS, ClientMemory
from fedbytes.federated.averaging import Averaging
from fedbytes.federated.context import RoundContext
from fedbytes.plugin_fields import bounded


@ALGORITHMS.register("fedavg_ft")
@dataclass(frozen=True)
class FedAvgFineTuned(Averaging):
    """Fine-tuning after FedAvg, a baseline hard to beat (Cheng et al. 2021, arXiv 2108.07313).

    Rounds, bytes and the global model are FedAvg's, to the bit. Wherever clients are evaluated,
    each first takes `tune_steps` from the global model on its own training examples, and predicts
    with what that gives; nothing of it is sent.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"local_steps": 3, "batch_size": 8, "learning_rate": 0.01, "tune_steps": 2},
    )

    tune_steps: int = bounded(10, least=0)
    """Steps of the tuning; 0 for none."""
    tune_learning_rate: float | None = bounded(None, above=0)
    """Learning rate of the tuning; that of the local steps by default."""

    def own(
        self,
        context: RoundContext,
        held: Tensor,
        indices: np.ndarray,
        memory: ClientMemory,
        rng: np.random.Generator,
    ) -> Tensor:
        """Return where the tuning ends."""
        if not self.tune_steps:
            return held
        rate = self.tune_learning_rate or self.learning_rate
        tuning = replace(self, local_steps=self.tune_steps, local_epochs=None, learning_rate=rate)
        trained = tuning.local(context.model, held, indices, {}, rng)
        return held.to("cpu") + trained.delta
