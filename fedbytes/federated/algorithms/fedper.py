"""FedPer: the layers below are federated, and each client keeps its head to itself."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from fedbytes.federated.algorithm import ALGORITHMS, ClientMemory, Trained
from fedbytes.federated.context import RoundContext
from fedbytes.federated.personal.private_part import PrivatePart
from fedbytes.federated.side_by_side.local_plan import LocalPlan


@ALGORITHMS.register("fedper")
@dataclass(frozen=True)
class FedPer(PrivatePart):
    """Federated learning with personalisation layers (Arivazhagan et al. 2019, arXiv 1912.00818).

    A client trains everything, sends what it changed of the shared tensors, and keeps the others.
    With `private: adapter` it is the head that is shared. Measure it with `evaluate_clients: true`.
    """

    def plan(
        self, context: RoundContext, start: Tensor, indices: np.ndarray, memory: ClientMemory
    ) -> LocalPlan:
        """Return local steps of all tensors; the delta is of those that travel."""
        model, begin = context.model, self.whole(context, start, memory)

        def part(trained: Trained) -> Trained:
            kept = self.part(model, begin + trained.delta, private=True)
            delta = self.part(model, trained.delta, private=False)
            return Trained(delta, trained.loss, {"private": kept})

        return LocalPlan(begin, finish=part)
