"""PGD: attackers keep their update within a norm while they train it."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from fedbytes.federated import ATTACKS, Attack, Constraint, StageContext
from fedbytes.registry import bounded


@ATTACKS.register("pgd")
@dataclass(frozen=True, kw_only=True)
class ProjectedDescent(Attack):
    """Attackers project their change of the model onto a ball, step by step (Wang et al. 2020).

    arXiv:2007.05084, and Sun et al. 2019 (arXiv:1911.07963). Before each step and at the end a
    change longer than `norm` is shortened to it: [3, 4] at `norm: 1` becomes [0.6, 0.8]. Under a
    rule that bounds norms they lose nothing to it that they did not choose. Join it with an attack
    on data of the same share, which has the same attackers: `attack: [trigger, pgd]`.

    Attributes:
        norm: the longest that a change may be.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({"norm": 0.05}, {"norm": 0.01, "share": 0.4})

    norm: float = bounded(1.0, above=0)

    def constraint(self, context: StageContext) -> Constraint:
        """Return the projection."""

        def project(moved: Tensor) -> Tensor:
            length = float(torch.linalg.vector_norm(moved, dtype=torch.float64))
            return moved if length <= self.norm else moved * (self.norm / length)

        return project
