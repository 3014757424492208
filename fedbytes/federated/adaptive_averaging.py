"""FedAvg whose server adapts each coordinate's step: what FedAdagrad, FedAdam and FedYogi share."""

from abc import abstractmethod
from dataclasses import dataclass

from torch import Tensor

from fedbytes.federated.averaging import Averaging
from fedbytes.federated.optimizers.server_optimizers import ServerMemory, adaptive
from fedbytes.plugin_fields import bounded


@dataclass(frozen=True)
class AdaptiveServer(Averaging):
    """Adaptive federated optimisation (Reddi et al. 2021, arXiv 2003.00295, algorithm 2)."""

    server_learning_rate: float = 0.01
    beta1: float = bounded(0.9, least=0, below=1)
    """Decay of the server's first moment."""
    tau: float = bounded(1e-3, above=0)
    """Degree of adaptivity, added to the root of the second moment."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.server_momentum:
            raise ValueError(
                f"{self.name} has momentum of its own: set beta1, not server_momentum="
                f"{self.server_momentum}"
            )

    def step(self, mean: Tensor, state: ServerMemory) -> tuple[Tensor, ServerMemory]:
        """Return the update that the adaptive optimiser makes of the mean, and its next state."""
        return adaptive(
            mean,
            state,
            self.accumulate,
            learning_rate=self.server_learning_rate,
            beta1=self.beta1,
            tau=self.tau,
        )

    @abstractmethod
    def accumulate(self, second: Tensor, square: Tensor) -> Tensor:
        """Return the next second moment from the last one and the mean's square `[numel]`."""
