"""FedAdam: Adam on the server."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from fedbytes.federated.adaptive_averaging import AdaptiveServer
from fedbytes.federated.algorithm import ALGORITHMS
from fedbytes.federated.optimizers import server_optimizers
from fedbytes.plugin_fields import bounded


@ALGORITHMS.register("fedadam")
@dataclass(frozen=True)
class FedAdam(AdaptiveServer):
    """FedAvg with Adam on the server (Reddi et al. 2021, arXiv 2003.00295)."""

    server_optimizer: Literal["adam"] = "adam"
    beta2: float = bounded(0.99, least=0, below=1)
    """Decay of the server's second moment."""

    def accumulate(self, second: Tensor, square: Tensor) -> Tensor:
        """Return the running mean of squares."""
        return server_optimizers.adam(second, square, self.beta2)
