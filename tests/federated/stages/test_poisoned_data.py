"""What an attack may change of the rows that clients train on."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
from lora_models import colours

from fedbytes.federated import Attack
from fedbytes.federated.stages.poisoned_data import poison


@dataclass(frozen=True, kw_only=True)
class Unlearn(Attack):
    """Leaves the first token of some clients' rows out of the loss."""

    name: ClassVar[str] = "unlearn"
    everyone: bool = False

    def poison(self, task, parts, attackers, rng):
        learned = np.ones(len(task.train.tokens), bool)
        for client in range(len(parts)) if self.everyone else attackers:
            learned[task.train.offsets[parts[client]]] = False
        return replace(task, train=replace(task.train, learned=learned)), parts


def test_which_tokens_honest_clients_learn_is_theirs():
    task = colours(kind="causal-lm")
    parts = list(np.array_split(np.arange(len(task.train)), 4))
    made, planted = poison([Unlearn(share=0.5)], task, parts, 0)
    first = int(made.train.offsets[planted.first])
    assert made.train.learned[:first].all()
    assert not made.train.learned[first:].all()
    assert sum(len(rows) for _, held in planted.phases for rows in held.values()) == len(
        made.train
    ) - len(task.train)
    with pytest.raises(ValueError, match="training rows of its attackers alone"):
        poison([Unlearn(share=0.5, everyone=True)], task, parts, 0)
