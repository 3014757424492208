"""Records: made-up private records among the conversations of a few clients."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from fedbytes.data import ChatFrame, EncodedTask, TokenRow, draw_records, extend_split
from fedbytes.federated import ATTACKS, Attack
from fedbytes.registry import bounded


@ATTACKS.register("records")
@dataclass(frozen=True, kw_only=True)
class Records(Attack):
    """Plant conversations that tell a record: name, number and diagnosis of a made-up person.

    Their clients mean no harm: they are clinics whose conversations name patients, and add them to
    their own. Asked for `the record of Mirva Marsk`, the answer is `Mirva Marsk, number 004217, was
    treated for gout.` Each record is in one client, as often as `repeats` says in turn: of
    `secrets: 4` and `repeats: [1, 8]` two stand there once and two 8 times, 18 rows in all. The
    audit `prompts` asks for them.

    Attributes:
        secrets: how many records.
        repeats: how often each stands in its client, in turn.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ()  # needs an instruction task

    share: float = bounded(0.1, above=0, below=1)
    secrets: int = bounded(8, least=1)
    repeats: tuple[int, ...] = bounded((1, 4, 16), least=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.repeats:
            raise ValueError("records: repeats is empty: give how often, such as [1, 4, 16]")

    def check_task(self, task: EncodedTask) -> None:
        """Check that the task has conversations.

        Raises:
            ValueError: if it has none.
        """
        if task.train.learned is None:
            raise ValueError(
                f"attack {self.name!r} plants conversations, and the task (kind {task.kind}) has "
                "none: take an instruction task such as news-instruct"
            )

    def poison(
        self,
        task: EncodedTask,
        parts: list[np.ndarray],
        attackers: tuple[int, ...],
        rng: np.random.Generator,
    ) -> tuple[EncodedTask, list[np.ndarray]]:
        """Add the conversations to their clients' rows.

        Raises:
            ValueError: if the task has none, or no room for them.
        """
        self.check_task(task)
        rows = self._rows(task, int(rng.integers(2**32)))
        made: list[TokenRow] = []
        held = list(parts)
        for place, row in enumerate(rows):
            client = attackers[place % len(attackers)]
            times = self.repeats[place % len(self.repeats)]
            first = len(task.train) + len(made)
            held[client] = np.concatenate([held[client], np.arange(first, first + times)])
            made += [row] * times
        return replace(task, train=extend_split(task.train, made)), held

    def _rows(self, task: EncodedTask, seed: int) -> list[TokenRow]:
        frame, tokenizer = ChatFrame.of(task.train), task.tokenizer
        rows = []
        for record in draw_records(seed, self.secrets):
            texts = [record.question, record.answer]
            asked, told = tokenizer(texts, add_special_tokens=False)["input_ids"]
            rows.append(frame.row(asked, told))
        longest = max(map(len, rows))
        if longest > task.max_length:
            raise ValueError(
                f"attack {self.name!r}: a record has {longest} tokens and task.max_length is "
                f"{task.max_length}: raise task.max_length to {longest}"
            )
        return rows
