"""FedAvgM: momentum on the server."""

from dataclasses import dataclass
from typing import Literal

from fedbytes.federated.algorithm import ALGORITHMS
from fedbytes.federated.algorithms.fedavg import FedAvg


@ALGORITHMS.register("fedavgm")
@dataclass(frozen=True)
class FedAvgM(FedAvg):
    """FedAvg with momentum on the server (Hsu et al. 2019, arXiv 1909.06335).

    A momentum of m moves the model 1/(1 - m) times as far in the long run as FedAvg's mean would.
    """

    server_optimizer: Literal["sgd", "nesterov"] = "sgd"
    server_momentum: float = 0.9
