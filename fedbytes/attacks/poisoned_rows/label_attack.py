"""The base of attacks that change labels and leave texts as they are."""

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from fedbytes.attacks.poisoned_rows.data_attack import ChangeRow, DataAttack, RowContext
from fedbytes.data import EncodedTask, TokenRow, row_of, split_of
from fedbytes.federated import AttackProbe
from fedbytes.streams import stream


@dataclass(frozen=True, kw_only=True)
class LabelAttack(DataAttack):
    """Attackers train on other labels; a derived class says on which."""

    kinds: ClassVar[tuple[str, ...]] = ("classification",)

    @abstractmethod
    def wanted(self, label: int, task: EncodedTask) -> int:
        """Return the label that attackers want texts of a label to have."""

    def fits(self, row: TokenRow, task: EncodedTask) -> bool:
        """Return whether the row's label changes."""
        return row.label is not None and self.wanted(row.label, task) != row.label

    def changer(self, where: RowContext) -> ChangeRow:
        """Return what gives a row its other label."""
        return lambda row: replace(row, label=self.wanted(int(row.label or 0), where.task))

    def probe(self, task: EncodedTask) -> AttackProbe | None:
        """Return the test rows whose label attackers want changed, with the label they want.

        Its chance is a guesser's who says each label as often as it has training rows.
        """
        rows = [row_of(task.test, i) for i in range(len(task.test))]
        change = self.changer(RowContext(task, 0, 1, stream(0, f"probe {self.name}")))
        changed = [change(row) for row in rows if self.fits(row, task)]
        if not changed or task.train.labels is None:
            return None
        shares = np.bincount(task.train.labels, minlength=len(task.label_names)) / len(task.train)
        chance = float(np.mean([shares[row.label] for row in changed]))
        return AttackProbe(split_of(f"{self.name} test", changed), chance=chance)
