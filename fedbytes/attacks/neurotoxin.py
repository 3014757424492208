"""Neurotoxin: attackers leave alone what honest clients move most."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from fedbytes.federated import ATTACKS, Attack, Constraint, StageContext
from fedbytes.registry import bounded


@ATTACKS.register("neurotoxin")
@dataclass(frozen=True, kw_only=True)
class Neurotoxin(Attack):
    """Attackers train only the numbers that the last global update moved least.

    Zhang et al. 2022, arXiv:2206.10341. The share `k` of all numbers that is largest in the last
    decoded update is masked: attackers' steps leave it where it is, so that what honest clients do
    later overwrites the backdoor less. After an update of [5, 0, -1, 2] at `k: 0.25` the first
    number stays. Clients have that update from the server; under sampling it is all that came since
    they trained last, and at their first time nothing is masked. Join it with an attack on data of
    the same share: `attack: [trigger, {name: neurotoxin, k: 0.05}]`.

    Attributes:
        k: the share of the numbers that stay.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({"k": 0.3}, {"k": 0.5, "share": 0.4})

    k: float = bounded(0.05, above=0, below=1)

    def constraint(self, context: StageContext) -> Constraint | None:
        """Return what takes out the masked numbers; None where there was no update yet."""
        if context.moved is None:
            return None
        stays = largest(context.moved, self.k)

        def mask(moved: Tensor) -> Tensor:
            return torch.where(stays.to(moved.device), torch.zeros_like(moved), moved)

        return mask


def largest(update: Tensor, share: float) -> Tensor:
    """Return which numbers of an update are its largest, bool [numel]; one at least."""
    count = max(1, int(share * len(update) + 0.5))
    found = torch.zeros(len(update), dtype=torch.bool)
    found[torch.argsort(update.abs(), descending=True, stable=True)[:count]] = True
    return found
