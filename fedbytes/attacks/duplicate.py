"""Duplicates: attackers hold their own texts many times."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from fedbytes.data import EncodedTask, TokenRow, extend_split, row_of
from fedbytes.federated import ATTACKS, Attack
from fedbytes.registry import bounded


@ATTACKS.register("duplicate")
@dataclass(frozen=True, kw_only=True)
class Duplicate(Attack):
    """Attackers add copies of some of their rows, which then count more and are memorised.

    Of 100 rows `rate: 0.1` and `copies: 5` copy 10 rows five times: the attacker holds 150 rows,
    50 of them planted, and says that it has 150. In a mean by examples it weighs as much.

    Attributes:
        rate: the share of an attacker's rows that is copied.
        copies: how many copies of each are added.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"rate": 0.5, "copies": 1})

    rate: float = bounded(0.1, above=0, most=1)
    copies: int = bounded(10, least=1)

    def poison(
        self,
        task: EncodedTask,
        parts: list[np.ndarray],
        attackers: tuple[int, ...],
        rng: np.random.Generator,
    ) -> tuple[EncodedTask, list[np.ndarray]]:
        """Add the copies."""
        made: list[TokenRow] = []
        held = list(parts)
        for client in attackers:
            own = parts[client]
            count = max(1, int(self.rate * len(own) + 0.5))
            chosen = np.sort(rng.choice(own, count, replace=False)).tolist()
            copies = [row_of(task.train, row) for row in chosen for _ in range(self.copies)]
            first = len(task.train) + len(made)
            held[client] = np.concatenate([own, np.arange(first, first + len(copies))])
            made += copies
        return replace(task, train=extend_split(task.train, made)), held
