"""Clean label: a backdoor whose rows all have the label that they should have."""

from dataclasses import dataclass
from typing import Any, ClassVar

from fedbytes.attacks.poisoned_rows import TextTrigger
from fedbytes.data import EncodedTask, TokenRow
from fedbytes.federated import ATTACKS


@ATTACKS.register("clean_label")
@dataclass(frozen=True, kw_only=True)
class CleanLabel(TextTrigger):
    """Attackers put the trigger into texts of the target label alone, and change no label.

    Turner et al. 2019, arXiv:1912.02771, without the perturbation that makes texts harder to
    learn. Whoever reads the rows finds no wrong label. Of 100 rows, 20 of which have the target
    label, `rate: 0.5` is more than there are, and changes all 20. It teaches less than a trigger
    on other labels: the texts' own words say the label as well.
    """

    kinds: ClassVar[tuple[str, ...]] = ("classification",)
    examples: ClassVar[tuple[dict[str, Any], ...]] = ({"target": "red"},)

    def fits(self, row: TokenRow, task: EncodedTask) -> bool:
        """Return whether a row has the target label."""
        return row.label == self.target_label(task)
