"""SCAFFOLD: control variates take out of each step what its client alone wants."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from fedbytes.compression.layout import Layout
from fedbytes.federated.algorithm import ALGORITHMS, ClientMemory, Compatibility, Trained
from fedbytes.federated.averaging import Averaging, weighted_mean
from fedbytes.federated.context import RoundContext
from fedbytes.federated.hooks import Upload
from fedbytes.federated.optimizers.server_optimizers import ServerMemory
from fedbytes.federated.trainable import Trainable


@ALGORITHMS.register("scaffold")
@dataclass(frozen=True)
class Scaffold(Averaging):
    """Stochastic controlled averaging (Karimireddy et al. 2020, arXiv 1910.06378, option II).

    Clients hold the model and the server's control variate c, one vector `[x; c]`; both travel in
    one message each way, so every round costs twice FedAvg's. A client corrects its gradients by
    c - c_i, and its next c_i is the mean gradient that its steps show. The mean is weighted by
    examples as in FedAvg, where the paper weighs clients alike. What a codec loses of a c_i stays
    lost unless the uplink has error feedback.
    """

    optimizer: Literal["sgd"] = "sgd"
    """A step must be the learning rate times the gradient: c_i is read off the steps."""
    learning_rate: float = 5e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.momentum:
            raise ValueError(
                "scaffold reads gradients off plain steps: set momentum=0, or server_momentum "
                f"in its place, got momentum={self.momentum}"
            )

    def synced_layout(self, model: Trainable) -> Layout:
        """Return the trained tensors, and the control variate of each."""
        shapes = model.layout.shapes
        return Layout(shapes | {f"control.{name}": shape for name, shape in shapes.items()})

    def initial(self, model: Trainable, seed: int) -> Tensor:
        """Return the initial vector, with a control variate of zero."""
        x = model.draw_initial(seed)
        return torch.cat((x, torch.zeros_like(x)))

    def load(self, model: Trainable, held: Tensor) -> None:
        """Put the model's half into it."""
        model.set_state(_halves(held)[0])

    def train(
        self,
        context: RoundContext,
        start: Tensor,
        indices: np.ndarray,
        memory: ClientMemory,
        rng: np.random.Generator,
    ) -> Trained:
        """Take corrected steps; the delta is that of the model and that of the client's c_i."""
        x, control = _halves(start)
        own = memory.get("control", torch.zeros_like(control))
        shift = (control - own).to(context.model.flat.device)

        def correct(_: Tensor, grad: Tensor) -> None:
            grad.add_(shift)

        trained = self.local(context.model, x, indices, {}, rng, correct=correct)
        steps = self.steps(len(indices))
        # c_i+ = c_i - c + (x - y) / (K lr); what is sent is its change.
        change = -control.to("cpu") - trained.delta / (steps * self.learning_rate)
        delta = torch.cat((trained.delta, change))
        return Trained(delta, trained.loss, {"control": own.to("cpu") + change})

    def combine(
        self, context: RoundContext, held: Tensor, uploads: list[Upload], state: ServerMemory
    ) -> tuple[Tensor, ServerMemory]:
        """Return the optimiser's step of the model, and the share of clients' change of c."""
        moved, changed = _halves(weighted_mean(uploads))
        step, state = self.step(moved, state)
        return torch.cat((step, changed * (len(context.clients) / context.num_clients))), state

    def refuses(self, compatibility: Compatibility) -> str | None:
        """Return why a control variate cannot be sent over these links, or None."""
        if compatibility.up_momentum:
            return (
                "scaffold's control variates are sums of what is sent, which an uplink's momentum "
                "would count several times: set uplink.momentum=0"
            )
        return super().refuses(compatibility)


def _halves(vector: Tensor) -> tuple[Tensor, Tensor]:
    half = vector.numel() // 2
    return vector[:half], vector[half:]
