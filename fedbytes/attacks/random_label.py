"""Random labels: attackers train on texts whose labels they drew."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from fedbytes.attacks.poisoned_rows import ChangeRow, DataAttack, RowContext
from fedbytes.data import TokenRow
from fedbytes.federated import ATTACKS


@ATTACKS.register("random_label")
@dataclass(frozen=True, kw_only=True)
class RandomLabel(DataAttack):
    """Attackers give each changed text one of the other labels, all equally likely.

    Of eight labels a text keeps its own never and has each other one with probability 1/7. It is
    noise that no attacker aims, so there is no `attack_success`: look at the accuracy.
    """

    kinds: ClassVar[tuple[str, ...]] = ("classification",)
    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"rate": 0.3})

    def changer(self, where: RowContext) -> ChangeRow:
        """Return what draws another label for a row."""
        others = len(where.task.label_names) - 1

        def relabel(row: TokenRow) -> TokenRow:
            drawn = int(where.rng.integers(others))
            return replace(row, label=drawn + (drawn >= int(row.label or 0)))

        return relabel
