"""FedAvg whose server adapts each coordinate's step: what FedAdagrad, FedAdam and FedYogi share."""

from dataclasses import dataclass
from typing import ClassVar

from fedbytes.federated.averaging import Averaging


@dataclass(frozen=True)
class AdaptiveServer(Averaging):
    """Adaptive federated optimisation (Reddi et al. 2021, arXiv 2003.00295, algorithm 2).

    It is `fedavg` with this `server_optimizer`, of which these names state the fields.
    """

    server_learning_rate: float = 0.01
    beta1: float = 0.9
    """Decay of the server's first moment."""
    tau: float = 1e-3
    """Degree of adaptivity, added to the root of the second moment."""

    is_adaptive: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.server_momentum:
            raise ValueError(
                f"{self.name} has momentum of its own: set beta1, not server_momentum="
                f"{self.server_momentum}"
            )
