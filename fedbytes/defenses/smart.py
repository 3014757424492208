"""SMART: predictions that a perturbation hardly changes."""

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from fedbytes.defenses.perturbed_inputs.adversarial_training import AdversarialTraining
from fedbytes.federated import DEFENSES, LossOf, Perturbable, Perturbation, climb_objective
from fedbytes.registry import bounded


@DEFENSES.register("smart")
@dataclass(frozen=True)
class Smart(AdversarialTraining):
    """Add how far the worst shift moves the predictions to the loss (Jiang et al. 2020).

    arXiv:1911.03437, its smoothness-inducing regulariser: the largest symmetric KL divergence
    between the predictions of the text and of the shifted one. The ball is the L2 one of the other
    defences, where the paper's is of the largest norm; its Bregman proximal steps are left out. A
    loss of 0.4 and a divergence of 0.05 at `weight` 2 make 0.5.

    Attributes:
        weight: of the divergence.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"steps": 2, "weight": 0.5})

    steps: int = bounded(1, least=1)
    weight: float = bounded(1.0, above=0)

    def perturbed(
        self, loss: LossOf, model: Perturbable, batch: Any, shift: Perturbation
    ) -> Tensor:
        """Return the loss of the batch and the divergence at the last shift."""
        plain = model.predictions(batch)

        def apart() -> Tensor:
            return symmetric_divergence(plain.detach(), model.predictions(batch))

        climb_objective(model, apart, shift, self.steps, self.step, self.at_states)
        with model.shifted_inputs(shift.fixed(), self.at_states):
            moved = model.predictions(batch)
        return loss(batch) + self.weight * symmetric_divergence(plain, moved)


def symmetric_divergence(one: Tensor, two: Tensor) -> Tensor:
    """Return KL(one, two) + KL(two, one), the mean over rows of log-probabilities, in nats."""
    return ((one.exp() - two.exp()) * (one - two)).sum(1).mean()
