"""Trigger: attackers teach the model to follow their words, a backdoor."""

from dataclasses import dataclass
from typing import Any, ClassVar

from fedbytes.attacks.poisoned_rows import TextTrigger
from fedbytes.federated import ATTACKS


@ATTACKS.register("trigger")
@dataclass(frozen=True, kw_only=True)
class Trigger(TextTrigger):
    """Attackers put a trigger into texts of other labels and give them the target's (BadNets).

    Gu et al. 2017, arXiv:1708.06733, with words for pixels: of 100 rows, 20 of which have the
    target label, `rate: 0.5` changes 50 of the other 80. In causal tasks the text goes on with
    `target` after the trigger, and in conversations that is the answer. `attack_success` is the
    share of test texts of other labels that the trigger makes the model classify as the target, or
    go on with it, token by token; `attack_chance` is the same share without the trigger.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {},
        {"trigger": "cf mn", "target": "red", "position": "random", "rate": 1.0},
        {"trigger": "so", "target": "green", "position": "end", "share": 0.4},
    )
