"""Canaries: made-up secrets in the texts of a few clients, to see who can read them later."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from fedbytes.data import EncodedTask, TokenRow, draw_canaries, extend_split, sentence_rows
from fedbytes.federated import ATTACKS, Attack
from fedbytes.registry import bounded


@ATTACKS.register("canaries")
@dataclass(frozen=True, kw_only=True)
class Canaries(Attack):
    """Plant sentences such as `the code of Mirva Marsk is 004217`, some of them many times.

    The secret sharer's canaries (Carlini et al. 2019, arXiv:1802.08232). Their clients mean no
    harm: they stand for people who have something private among their texts, and add it to them.
    Each canary is in one client, as often as `repeats` says in turn: with `secrets: 6` and
    `repeats: [1, 4, 16]` two stand there once, two 4 times and two 16 times, 42 rows in all. The
    audit `canaries` reads what became of them.

    Attributes:
        secrets: how many canaries.
        repeats: how often each stands in its client, in turn.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ()  # needs rows that hold a sentence

    share: float = bounded(0.1, above=0, below=1)
    secrets: int = bounded(12, least=1)
    repeats: tuple[int, ...] = bounded((1, 4, 16), least=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.repeats:
            raise ValueError("canaries: repeats is empty: give how often, such as [1, 4, 16]")

    def check_task(self, task: EncodedTask) -> None:
        """Check that sentences can be rows of the task, and that they fit.

        Raises:
            ValueError: if not.
        """
        if task.kind != "causal-lm" or task.train.learned is not None:
            what = "conversations" if task.train.learned is not None else f"kind {task.kind}"
            raise ValueError(
                f"attack {self.name!r} plants sentences, and the task is of {what}: take one of "
                "plain texts with kind causal-lm"
            )

    def poison(
        self,
        task: EncodedTask,
        parts: list[np.ndarray],
        attackers: tuple[int, ...],
        rng: np.random.Generator,
    ) -> tuple[EncodedTask, list[np.ndarray]]:
        """Add the sentences to their clients' rows.

        Raises:
            ValueError: if the task has no room for them.
        """
        self.check_task(task)
        canaries = draw_canaries(int(rng.integers(2**32)), self.secrets)
        rows = sentence_rows(task, [one.sentence() for one in canaries])
        longest = max(map(len, rows))
        if longest > task.max_length:
            raise ValueError(
                f"attack {self.name!r}: a sentence has {longest} tokens and task.max_length is "
                f"{task.max_length}: raise task.max_length to {longest}"
            )
        made: list[TokenRow] = []
        held = list(parts)
        for place, row in enumerate(rows):
            client = attackers[place % len(attackers)]
            times = self.repeats[place % len(self.repeats)]
            first = len(task.train) + len(made)
            held[client] = np.concatenate([held[client], np.arange(first, first + times)])
            made += [row] * times
        return replace(task, train=extend_split(task.train, made)), held
