"""FedYogi: Yogi on the server."""

from dataclasses import dataclass
from typing import Literal

from fedbytes.federated.adaptive_averaging import AdaptiveServer
from fedbytes.federated.algorithm import ALGORITHMS


@ALGORITHMS.register("fedyogi")
@dataclass(frozen=True)
class FedYogi(AdaptiveServer):
    """FedAvg with Yogi on the server (Reddi et al. 2021, arXiv 2003.00295).

    Like FedAdam, but the second moment moves by the square itself, so it forgets large updates
    slowly.
    """

    server_optimizer: Literal["yogi"] = "yogi"
    beta2: float = 0.99
    """Decay of the server's second moment."""
