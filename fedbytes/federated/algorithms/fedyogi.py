"""FedYogi: Yogi on the server."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from fedbytes.federated.adaptive_averaging import AdaptiveServer
from fedbytes.federated.algorithm import ALGORITHMS
from fedbytes.federated.optimizers import server_optimizers
from fedbytes.plugin_fields import bounded


@ALGORITHMS.register("fedyogi")
@dataclass(frozen=True)
class FedYogi(AdaptiveServer):
    """FedAvg with Yogi on the server (Reddi et al. 2021, arXiv 2003.00295).

    Like FedAdam, but the second moment moves by the square itself, so it forgets large updates
    slowly.
    """

    server_optimizer: Literal["yogi"] = "yogi"
    beta2: float = bounded(0.99, least=0, below=1)
    """Decay of the server's second moment."""

    def accumulate(self, second: Tensor, square: Tensor) -> Tensor:
        """Return a second moment that moves by the square, whatever its own size."""
        return server_optimizers.yogi(second, square, self.beta2)
