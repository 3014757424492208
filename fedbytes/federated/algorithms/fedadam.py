"""FedAdam: Adam on the server."""

from dataclasses import dataclass
from typing import Literal

from fedbytes.federated.adaptive_averaging import AdaptiveServer
from fedbytes.federated.algorithm import ALGORITHMS


@ALGORITHMS.register("fedadam")
@dataclass(frozen=True)
class FedAdam(AdaptiveServer):
    """FedAvg with Adam on the server (Reddi et al. 2021, arXiv 2003.00295)."""

    server_optimizer: Literal["adam"] = "adam"
    beta2: float = 0.99
    """Decay of the server's second moment."""
