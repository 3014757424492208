"""SCAFFOLD: control variates take out of each step what its client alone wants."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from fedbytes.compression.layout import Layout
from fedbytes.federated.algorithm import ALGORITHMS, ClientMemory, Compatibility, Trained
from fedbytes.federated.averaging import Averaging, equal_mean, weighted_mean
from fedbytes.federated.context import RoundContext
from fedbytes.federated.hooks import Upload
from fedbytes.federated.optimizers.server_optimizers import ServerMemory
from fedbytes.federated.side_by_side.local_plan import LocalPlan
from fedbytes.federated.trainable import Trainable
from fedbytes.plugin_fields import added_field


@ALGORITHMS.register("scaffold")
@dataclass(frozen=True)
class Scaffold(Averaging):
    """Stochastic controlled averaging (Karimireddy et al. 2020, arXiv 1910.06378, option II).

    Clients hold the model and the server's control variate c, one vector `[x; c]`; both travel in
    one message each way, so every round costs twice FedAvg's. A client corrects its gradients by
    c - c_i, and its next c_i is the mean gradient that it saw. c is the mean of all clients' c_i,
    whoever takes part, so the optimum is that of the clients' losses in the same `weights`. What a
    codec loses of a c_i stays lost unless the uplink has error feedback (EF14: estimates of EF21
    do not add up to what was sent).

    With `max_grad_norm` the corrected gradient of a step is clipped, and c_i is the mean of the
    gradients before that.
    """

    optimizer: Literal["sgd"] = "sgd"
    """A step must be the learning rate times the gradient: c_i is read off the steps."""
    learning_rate: float = 5e-3
    weights: Literal["examples", "clients"] = added_field("examples")
    """Weights of the clients in both means: their numbers of examples, which minimises the loss
    that FedAvg does here, or 1 each, as in the paper."""

    @property
    def revision(self) -> int:
        """2: c was no mean of the c_i where some clients took part; a clipped c_i no gradient."""
        return 2

    @property
    def needs_weights(self) -> bool:
        """Whether clients count by their examples: c is a sum over rounds under fixed weights."""
        return self.weights == "examples"

    @property
    def needs_votes(self) -> bool:
        """Whether clients count alike: c is a sum over rounds under fixed weights."""
        return self.weights == "clients"

    @property
    def needs_each(self) -> bool:
        """Whether clients count alike, which a mean weighted by examples does not show."""
        return self.weights == "clients"

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

    def plan(
        self, context: RoundContext, start: Tensor, indices: np.ndarray, memory: ClientMemory
    ) -> LocalPlan:
        """Return corrected steps; the delta is that of the model and that of the client's c_i."""
        x, control = _halves(start)
        own = memory.get("control", torch.zeros_like(control))
        shift = (control - own).to(context.model.flat.device)
        seen = torch.zeros_like(shift)

        def correct(flat: Tensor, grad: Tensor) -> None:
            if self.max_grad_norm is not None:
                seen.add_(grad).add_(flat, alpha=self.weight_decay)
            grad.add_(shift)

        steps = self.steps(len(indices))

        def read_off(trained: Trained) -> Trained:
            if self.max_grad_norm is None:
                # c_i+ = c_i - c + (x - y) / (K lr); what is sent is its change.
                change = -control.to("cpu") - trained.delta / (steps * self.learning_rate)
            else:  # clipped steps do not add up to gradients
                change = (seen / steps).to("cpu") - own.to("cpu")
            delta = torch.cat((trained.delta, change))
            return Trained(delta, trained.loss, {"control": own.to("cpu") + change})

        return LocalPlan(x, correct=correct, finish=read_off)

    def combine(
        self, context: RoundContext, held: Tensor, uploads: list[Upload], state: ServerMemory
    ) -> tuple[Tensor, ServerMemory]:
        """Return the optimiser's step of the model, and the change of c, the mean over all."""
        if self.weights == "clients":
            senders = context.senders or len(uploads)
            mean, share = equal_mean(uploads), senders / context.num_clients
        else:
            # Fixed weights: those who take part change c by their own examples of all there are,
            # or c would be a sum of changes whose weights differ from round to round.
            reported = sum(upload.examples for upload in uploads)
            mean, share = weighted_mean(uploads), min(1.0, reported / context.num_examples)
        moved, changed = _halves(mean)
        step, state = self.step(moved, state)
        return torch.cat((step, changed * share)), state

    def refuses(self, compatibility: Compatibility) -> str | None:
        """Return why a control variate cannot be sent over these links, or None."""
        if compatibility.up_momentum:
            return (
                "scaffold's control variates are sums of what is sent, which an uplink's momentum "
                "would count several times: set uplink.momentum=0"
            )
        if compatibility.up_averages_all:
            return (
                "scaffold's control variates are sums of what is sent, and ef21-pp would add what "
                "was sent before: set uplink.error_feedback=true"
            )
        return super().refuses(compatibility)


def _halves(vector: Tensor) -> tuple[Tensor, Tensor]:
    half = vector.numel() // 2
    return vector[:half], vector[half:]
