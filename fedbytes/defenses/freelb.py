"""FreeLB: the mean of the gradients along the way of a perturbation."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from fedbytes.defenses.perturbed_inputs.adversarial_training import AdversarialTraining
from fedbytes.federated import DEFENSES, LossOf, Perturbable, Perturbation


@DEFENSES.register("freelb")
@dataclass(frozen=True)
class FreeLB(AdversarialTraining):
    """Train on the mean gradient of all `steps` shifts on the way up (Zhu et al. 2020).

    arXiv:1909.11764. Each pass gives the gradient of the parameters and that of the shift at once,
    so that K steps cost K times a plain step. At K = 1 it trains on random shifts. With losses 1.0,
    1.3 and 1.6 on the way, the client's loss is 1.3.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"steps": 2, "eps": 0.05, "alpha": 0.02})

    def perturbed(
        self, loss: LossOf, model: Perturbable, batch: Any, shift: Perturbation
    ) -> Tensor:
        """Return a loss whose gradient is the mean of those at each shift."""
        flat = model.flat
        assert flat.grad is not None
        before = flat.grad.clone()
        flat.grad.zero_()
        mean = torch.zeros((), device=flat.device)
        for _ in range(self.steps):
            with model.shifted_inputs(shift, self.at_states):
                value = loss(batch) / self.steps
            value.backward()  # type: ignore[no-untyped-call]
            mean += value.detach()
            shift.climb_collected(self.step)
        gradient = flat.grad.clone()
        flat.grad.copy_(before)
        along = (flat * gradient).sum()
        return mean + (along - along.detach())  # its value is the mean, its gradient the one above
