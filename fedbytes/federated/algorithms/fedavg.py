"""FedAvg: local steps on each client, the mean of their deltas on the server."""

from dataclasses import dataclass

from fedbytes.federated.algorithm import ALGORITHMS
from fedbytes.federated.averaging import Averaging, weighted_mean

__all__ = ["FedAvg", "weighted_mean"]


@ALGORITHMS.register("fedavg")
@dataclass(frozen=True)
class FedAvg(Averaging):
    """Federated averaging, weighted by examples (McMahan et al. 2017, arXiv 1602.05629).

    With a server optimiser other than SGD at rate 1 it is FedAvgM, FedAdam and their kin
    (Reddi et al. 2021, arXiv 2003.00295), which also have names of their own. A client's optimiser
    starts anew each round.
    """
