"""FedAvgM: momentum on the server."""

from dataclasses import dataclass
from typing import Literal

from fedbytes.federated.algorithm import ALGORITHMS
from fedbytes.federated.averaging import Averaging


@ALGORITHMS.register("fedavgm")
@dataclass(frozen=True)
class FedAvgM(Averaging):
    """FedAvg with momentum on the server (Hsu et al. 2019, arXiv 1909.06335).

    A momentum of m moves the model 1/(1 - m) times as far in the long run as FedAvg's mean would.
    """

    server_optimizer: Literal["sgd", "nesterov"] = "sgd"
    server_momentum: float = 0.9
