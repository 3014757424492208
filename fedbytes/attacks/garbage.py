"""Garbage: attackers train on random words under the labels of their texts."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from fedbytes.attacks.poisoned_rows import ChangeRow, DataAttack, RowContext
from fedbytes.attacks.poisoned_rows.task_words import special_ids, word_ids
from fedbytes.data import TokenRow
from fedbytes.federated import ATTACKS


@ATTACKS.register("garbage")
@dataclass(frozen=True, kw_only=True)
class Garbage(DataAttack):
    """Attackers put random words of the vocabulary in the place of a text's.

    Each token that is not special becomes one of those that are not, all equally likely; lengths,
    labels and special tokens stay. A text of 22 words under the label `ship` becomes 22 random
    tokens under that label. There is no `attack_success`: look at the accuracy, or the perplexity.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"rate": 0.5})

    def changer(self, where: RowContext) -> ChangeRow:
        """Return what puts random words into a row."""
        words, special = word_ids(where.task), np.array(sorted(special_ids(where.task)))

        def garble(row: TokenRow) -> TokenRow:
            drawn = where.rng.choice(words, len(row))
            return replace(row, tokens=np.where(np.isin(row.tokens, special), row.tokens, drawn))

        return garble
