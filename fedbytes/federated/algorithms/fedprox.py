"""FedProx: a proximal term holds a client near the model that it was sent."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from fedbytes.federated.algorithm import ALGORITHMS, ClientMemory
from fedbytes.federated.averaging import Averaging
from fedbytes.federated.context import RoundContext
from fedbytes.federated.side_by_side.local_plan import LocalPlan
from fedbytes.plugin_fields import bounded


@ALGORITHMS.register("fedprox")
@dataclass(frozen=True)
class FedProx(Averaging):
    """FedAvg whose clients also minimise mu/2 ||y - x||² (Li et al. 2020, arXiv 1812.06127).

    The loss that is reported is without the term.
    """

    mu: float = bounded(0.01, least=0)
    """Weight of the proximal term; 0 is FedAvg."""

    def plan(
        self, context: RoundContext, start: Tensor, indices: np.ndarray, memory: ClientMemory
    ) -> LocalPlan:
        """Return local steps whose gradient also points back to `start`."""
        if self.mu == 0:
            return LocalPlan(start, memory)
        anchor = start.to(context.model.flat.device)

        def pull(flat: Tensor, grad: Tensor) -> None:
            grad.add_(flat - anchor, alpha=self.mu)

        return LocalPlan(start, memory, pull)
