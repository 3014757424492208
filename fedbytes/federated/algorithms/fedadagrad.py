"""FedAdagrad: Adagrad on the server."""

from dataclasses import dataclass
from typing import Literal

from fedbytes.federated.adaptive_averaging import AdaptiveServer
from fedbytes.federated.algorithm import ALGORITHMS


@ALGORITHMS.register("fedadagrad")
@dataclass(frozen=True)
class FedAdagrad(AdaptiveServer):
    """FedAvg with Adagrad on the server (Reddi et al. 2021, arXiv 2003.00295)."""

    server_optimizer: Literal["adagrad"] = "adagrad"
    beta1: float = 0.0
