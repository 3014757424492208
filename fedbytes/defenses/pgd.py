"""PGD: the loss at the end of a perturbation's way."""

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from fedbytes.defenses.perturbed_inputs.adversarial_training import AdversarialTraining
from fedbytes.federated import DEFENSES, LossOf, Perturbable, Perturbation, climb_objective


@DEFENSES.register("pgd")
@dataclass(frozen=True)
class PGDTraining(AdversarialTraining):
    """Train on the shift that `steps` steps of gradient ascent end at (Madry et al. 2018).

    arXiv:1706.06083. `steps` passes find the shift and one more trains on it, K + 1 times a plain
    step. With losses 1.0, 1.3 and 1.6 on the way to a last one of 1.8, the client's loss is 1.8.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"steps": 1, "eps": 0.0})

    def perturbed(
        self, loss: LossOf, model: Perturbable, batch: Any, shift: Perturbation
    ) -> Tensor:
        """Return the loss at the last shift."""
        climb_objective(model, lambda: loss(batch), shift, self.steps, self.step, self.at_states)
        with model.shifted_inputs(shift.fixed(), self.at_states):
            return loss(batch)
