"""FedDyn: each client's loss is regularised so that the clients' optima are the server's."""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from fedbytes.federated.algorithm import ALGORITHMS, ClientMemory, Compatibility, Trained
from fedbytes.federated.averaging import Averaging, equal_mean
from fedbytes.federated.context import RoundContext
from fedbytes.federated.hooks import Upload
from fedbytes.federated.optimizers.server_optimizers import ServerMemory
from fedbytes.federated.side_by_side.local_plan import LocalPlan
from fedbytes.plugin_fields import bounded


@ALGORITHMS.register("feddyn")
@dataclass(frozen=True)
class FedDyn(Averaging):
    """Dynamic regularisation (Acar et al. 2021, arXiv 2111.04263).

    A client minimises L_i(y) - <g_i, y> + alpha/2 ||y - x||², and keeps g_i - alpha (y - x), which
    is the gradient of L_i where it ended; the server keeps h, the mean of these over all clients.
    One vector travels each way, as in FedAvg. All clients count alike, whatever their number of
    examples, as in the paper.

    Over a lossy uplink the clients keep what they trained and the server adds up what it decodes,
    so h is their mean but for what the codec lost. Error feedback (EF14) sends that later; without
    it, or with EF21, h drifts from the mean of the g_i, and the optimum with it.
    """

    needs_each: ClassVar[bool] = True
    needs_votes: ClassVar[bool] = True
    alpha: float = bounded(0.1, above=0)
    """Weight of the regularisation."""
    server_optimizer: Literal["sgd"] = "sgd"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.server_momentum or self.server_learning_rate != 1:
            raise ValueError(
                "feddyn's server step is its own: leave server_learning_rate=1 and "
                f"server_momentum=0, got {self.server_learning_rate} and {self.server_momentum}"
            )

    def plan(
        self, context: RoundContext, start: Tensor, indices: np.ndarray, memory: ClientMemory
    ) -> LocalPlan:
        """Return steps on the regularised loss; the loss that is reported is the plain one."""
        gradient = memory.get("gradient", torch.zeros(start.shape))
        anchor, known = (t.to(context.model.flat.device) for t in (start, gradient))

        def regularise(flat: Tensor, grad: Tensor) -> None:
            grad.sub_(known).add_(flat - anchor, alpha=self.alpha)

        def keep(trained: Trained) -> Trained:
            after = gradient - self.alpha * trained.delta
            return replace(trained, memory={"gradient": after})

        return LocalPlan(start, correct=regularise, finish=keep)

    def combine(
        self, context: RoundContext, held: Tensor, uploads: list[Upload], state: ServerMemory
    ) -> tuple[Tensor, ServerMemory]:
        """Return the mean delta less h / alpha, with h of all clients so far."""
        mean = equal_mean(uploads)
        h = state.get("h", torch.zeros_like(mean))
        senders = context.senders or len(uploads)
        h = h - self.alpha * (senders / context.num_clients) * mean
        return mean - h / self.alpha, {"h": h}

    def refuses(self, compatibility: Compatibility) -> str | None:
        """Return why the server's h cannot follow over these links, or None."""
        if compatibility.up_momentum:
            return (
                "feddyn's server adds up what is sent, which an uplink's momentum would count "
                "several times: set uplink.momentum=0"
            )
        return super().refuses(compatibility)
