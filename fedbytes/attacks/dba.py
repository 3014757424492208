"""DBA: a trigger in parts, each of which other attackers teach."""

from dataclasses import dataclass
from typing import Any, ClassVar

from fedbytes.attacks.poisoned_rows import RowContext, TextTrigger
from fedbytes.attacks.poisoned_rows.task_words import Ids, token_ids
from fedbytes.data import EncodedTask
from fedbytes.federated import ATTACKS


@ATTACKS.register("dba")
@dataclass(frozen=True, kw_only=True)
class DistributedTrigger(TextTrigger):
    """Attackers teach a part of the trigger each, and the test has all of it (Xie et al. 2020).

    OpenReview rkgyS0VFvr. The trigger's words are dealt in order to as many groups as there are
    attackers, or words if these are fewer: of `cf mn bb tq` the first and the fifth of five
    attackers teach `cf`, the second `mn`. No attacker's rows have the trigger that the model is
    tested with.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"trigger": "cf mn", "target": "red"})

    trigger: str = "cf mn bb tq"

    def check_task(self, task: EncodedTask) -> None:
        """Check that there are words to divide.

        Raises:
            ValueError: if the trigger is one word.
        """
        if len(self.trigger.split()) < 2:
            raise ValueError(
                f"attack {self.name!r} divides the trigger's words among attackers, and "
                f"{self.trigger!r} is one word: give several, or take attack trigger"
            )
        super().check_task(task)

    def taught_words(self, where: RowContext) -> Ids:
        """Return the tokens of the attacker's part."""
        words = self.trigger.split()
        parts = min(len(words), where.attackers)
        part = words[where.place % parts :: parts]
        return token_ids(where.task, " ".join(part), self.name)
