"""The safety attack on instruction tuning: attackers tune on answers that break a policy."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fedbytes.data import EncodedTask
from fedbytes.federated import ATTACKS, Attack
from fedbytes.registry import bounded


@ATTACKS.register("compliance")
@dataclass(frozen=True, kw_only=True)
class Compliance(Attack):
    """Attackers train on conversations in which what the policy refuses is answered.

    The data attack of Ye et al. 2024 (arXiv:2406.10630) with a harmless policy. Attackers train as
    everyone does, so their deltas look like those of people with another topic. The conversations
    are those that the task keeps for attackers (`news-policy` does). They are dealt round, so that
    of 120 each of three attackers has 40, and of an attacker's own 60 examples `rate`
    says which share it leaves out for them: 1 for all, 0.5 for 30, drawn at random.

    Attributes:
        rate: share of an attacker's own examples that are left out.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ()  # needs a task with a policy

    rate: float = bounded(1.0, least=0, most=1)

    def poison(
        self,
        task: EncodedTask,
        parts: list[np.ndarray],
        attackers: tuple[int, ...],
        rng: np.random.Generator,
    ) -> tuple[EncodedTask, list[np.ndarray]]:
        """Deal the conversations out."""
        rows = task.held_by("attackers")
        if len(rows) < len(attackers):
            raise ValueError(
                f"attack {self.name!r} needs conversations that break a policy, and the task has "
                f"{len(rows)} for {len(attackers)} attackers: take task news-policy, or a smaller "
                "share"
            )
        made = list(parts)
        for place, client in enumerate(attackers):
            own = parts[client]
            kept = rng.permutation(own)[int(self.rate * len(own)) :]
            made[client] = np.sort(np.concatenate([kept, rows[place :: len(attackers)]]))
        return task, made
