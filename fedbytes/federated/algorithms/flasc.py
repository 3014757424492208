"""FLASC: sparse messages both ways around dense local training."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from fedbytes.federated.algorithm import ALGORITHMS, ClientMemory
from fedbytes.federated.context import RoundContext
from fedbytes.federated.lora.lora_averaging import LoraAveraging
from fedbytes.federated.side_by_side.local_plan import LocalPlan


@ALGORITHMS.register("flasc")
@dataclass(frozen=True)
class Flasc(LoraAveraging):
    """Clients download few weights, train all, and upload few (Kuo et al. 2024, arXiv 2406.05233).

    The links are the sparsity: give each a codec such as `topk` with a density, and its bytes are
    those of the places and values that are kept. So there is one definition of a density and of
    what it costs, any other codec can be tried, and with `fp32` every client is sent all, which is
    FedAvg. The server stays dense.

    What is sent down is how far the weights are from the initial ones, which both ends draw from
    the seed: the largest entries of the weights themselves would be those of the random A, and
    where an entry is left out a client now has the initial value and not zero.
    """

    downloads = "state"

    def download(self, context: RoundContext, held: Tensor) -> Tensor:
        """Return the server's weights less the initial ones."""
        return held - context.model.draw_initial(context.seed)

    def plan(
        self, context: RoundContext, start: Tensor, indices: np.ndarray, memory: ClientMemory
    ) -> LocalPlan:
        """Train everything from what arrived."""
        return LocalPlan(start + context.model.draw_initial(context.seed), memory)
