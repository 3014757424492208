"""The base of attacks that change rows of their attackers one by one."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from fedbytes.data import EncodedTask, TokenRow, extend_split, row_of
from fedbytes.federated import Attack
from fedbytes.registry import bounded

ChangeRow = Callable[[TokenRow], TokenRow]
"""Returns what an attacker trains on instead of a row."""


@dataclass(frozen=True)
class RowContext:
    """Whose rows are changed.

    Attributes:
        task: the texts.
        place: which of the attackers holds the rows, from 0.
        attackers: how many there are.
        rng: the attack's own.
    """

    task: EncodedTask
    place: int
    attackers: int
    rng: np.random.Generator


@dataclass(frozen=True, kw_only=True)
class DataAttack(Attack):
    """Attackers train on changed rows in their rounds; a derived class says how a row is changed.

    A changed row takes the place of the one that it was made of. Test rows stay.

    Attributes:
        rate: the share of an attacker's rows that is changed, as far as so many can be.
    """

    kinds: ClassVar[tuple[str, ...]] = ("classification", "causal-lm")
    """The kinds of task that it works on."""

    rate: float = bounded(1.0, above=0, most=1)

    def check_task(self, task: EncodedTask) -> None:
        """Check the kind of task.

        Raises:
            ValueError: if the attack is not for this kind.
        """
        if task.kind not in self.kinds:
            raise ValueError(
                f"attack {self.name!r} is for tasks of kind {' or '.join(self.kinds)}, got "
                f"{task.kind}: take another attack or task"
            )

    def poison(
        self,
        task: EncodedTask,
        parts: list[np.ndarray],
        attackers: tuple[int, ...],
        rng: np.random.Generator,
    ) -> tuple[EncodedTask, list[np.ndarray]]:
        """Change some rows of each attacker.

        Raises:
            ValueError: if no row of any attacker can be changed.
        """
        self.check_task(task)
        made: list[TokenRow] = []
        held = list(parts)
        for place, client in enumerate(attackers):
            where = RowContext(task, place, len(attackers), rng)
            rows, first = parts[client].copy(), len(task.train) + len(made)
            changed = self._changed(parts[client], where)
            rows[list(changed)] = np.arange(first, first + len(changed))
            made += changed.values()
            held[client] = rows
        if not made:
            count = sum(len(parts[client]) for client in attackers)
            raise ValueError(
                f"attack {self.name!r} changes none of its {len(attackers)} attackers' {count} "
                f"rows at rate={self.rate:g}{self.why_none(task)}: raise rate or share"
            )
        return replace(task, train=extend_split(task.train, made)), held

    def _changed(self, own: np.ndarray, where: RowContext) -> dict[int, TokenRow]:
        """Return the changed rows of an attacker by their places among its own."""
        train = where.task.train
        fit = [i for i, row in enumerate(own) if self.fits(row_of(train, int(row)), where.task)]
        wanted = min(len(fit), int(self.rate * len(own) + 0.5))
        chosen = np.sort(where.rng.choice(np.array(fit, dtype=np.int64), wanted, replace=False))
        pairs = [(int(i), row_of(train, int(own[i]))) for i in chosen]
        change = self.changer(where)
        made = {i: change(row) for i, row in pairs}
        return {i: made[i] for i, row in pairs if not made[i].same_as(row)}

    def fits(self, row: TokenRow, task: EncodedTask) -> bool:
        """Return whether a row is one that the attack changes."""
        return True

    def why_none(self, task: EncodedTask) -> str:
        """Return what else decides whether a row can be changed, to follow in a message."""
        return ""

    @abstractmethod
    def changer(self, where: RowContext) -> ChangeRow:
        """Return what changes the rows of an attacker one by one."""
