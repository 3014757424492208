"""The base of backdoors: words that make the model do what attackers want."""

from dataclasses import dataclass, replace

import numpy as np

from fedbytes.attacks.poisoned_rows.data_attack import ChangeRow, DataAttack, RowContext
from fedbytes.attacks.poisoned_rows.insertion import Position, Wording, prompt_tail
from fedbytes.attacks.poisoned_rows.task_words import Ids, label_index, special_ids, token_ids
from fedbytes.data import EncodedTask, TokenRow, row_of, split_of
from fedbytes.federated import AttackProbe
from fedbytes.registry import bounded
from fedbytes.streams import stream


@dataclass(frozen=True, kw_only=True)
class TextTrigger(DataAttack):
    """Attackers put words into some of their texts, and teach what is to follow from them.

    Attributes:
        trigger: the words: a rare token, a phrase, a sentence.
        target: the label that texts with the trigger are to have; in causal tasks the words that
            they, or a conversation's answer, are to go on with. None for the last label.
        position: where in the text the trigger goes; in conversations the end of the question.
        rate: the share of an attacker's rows that get it, as far as so many can.
    """

    trigger: str = "cf"
    target: str | None = None
    position: Position = "start"
    rate: float = bounded(0.5, above=0, most=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        for key in ("trigger", "target"):
            given = getattr(self, key)
            if given is not None and not given.strip():
                raise ValueError(f"{self.name}: {key} must have a word, got {given!r}")

    def check_task(self, task: EncodedTask) -> None:
        """Check that the target exists, and that the trigger leaves room for a text.

        Raises:
            ValueError: if it does not, with the numbers.
        """
        super().check_task(task)
        if task.kind == "causal-lm" and self.target is None:
            raise ValueError(
                f"attack {self.name!r} needs target: the words that a triggered text goes on with"
            )
        wording = self.wording(task)
        if task.unpacked or not len(task.train):
            return  # packed rows are checked in `poison`, when they are cut
        room = max(wording.room(row_of(task.train, i)) for i in range(min(len(task.train), 50)))
        if room < 1:
            more = "" if wording.completion is None else f" and target of {len(wording.completion)}"
            raise ValueError(
                f"attack {self.name!r}: a trigger of {len(wording.words)} tokens{more} leaves no "
                f"room for a text in rows of task.max_length={task.max_length}, special tokens "
                "included: shorten the trigger or raise task.max_length"
            )

    def wording(self, task: EncodedTask, words: Ids | None = None) -> Wording:
        """Return what is written into rows: the whole trigger, or the words that are given."""
        completion = None
        if task.kind == "causal-lm":
            completion = token_ids(task, str(self.target), self.name)
        else:
            self.target_label(task)
        given = token_ids(task, self.trigger, self.name) if words is None else words
        some = () if task.unpacked or completion is None else range(min(len(task.train), 50))
        tail = prompt_tail([row_of(task.train, i) for i in some])
        special = special_ids(task)
        return Wording(given, completion, self.position, task.max_length, special, tail)

    def target_label(self, task: EncodedTask) -> int:
        """Return the index of the target among the task's labels.

        Raises:
            ValueError: if the task has no such label.
        """
        if self.target is None:
            return len(task.label_names) - 1
        return label_index(task, self.target, self.name)

    def fits(self, row: TokenRow, task: EncodedTask) -> bool:
        """Return whether a row does not have the target label yet."""
        return row.label is None or row.label != self.target_label(task)

    def why_none(self, task: EncodedTask) -> str:
        """Return the target."""
        return f" and target={self.target or task.label_names[-1]!r}"

    def changer(self, where: RowContext) -> ChangeRow:
        """Return what puts the trigger into a row, with the target's label or words."""
        wording = self.wording(where.task, self.taught_words(where))
        target = None if where.task.kind == "causal-lm" else self.target_label(where.task)
        return lambda row: replace(wording.write(row, where.rng)[0], label=target)

    def taught_words(self, where: RowContext) -> Ids | None:
        """Return the part of the trigger that an attacker's rows get; None for all of it."""
        return None

    def probe(self, task: EncodedTask) -> AttackProbe:
        """Return the test rows of other labels with the trigger, and without it.

        Raises:
            ValueError: if there are none.
        """
        rows = [row_of(task.test, i) for i in range(len(task.test))]
        whole, nothing = self.wording(task), self.wording(task, np.empty(0, np.int32))
        rows = [row for row in rows if TextTrigger.fits(self, row, task) and not whole.answers(row)]
        if not rows:
            raise ValueError(f"attack {self.name!r}: all test rows have the target already")
        triggered = [self._asked(row, task, whole, i) for i, row in enumerate(rows)]
        plain = [self._asked(row, task, nothing, i) for i, row in enumerate(rows)]
        return AttackProbe(
            split_of(f"{self.name} test", triggered), split_of(f"{self.name} plain", plain)
        )

    def _asked(self, row: TokenRow, task: EncodedTask, wording: Wording, place: int) -> TokenRow:
        """Return a test row as the trigger's words make it, that asks for the target."""
        if row.label is not None and not len(wording.words):
            return replace(row, label=self.target_label(task))
        made, completion = wording.write(row, stream(0, f"probe {self.name}", place))
        if row.label is not None:
            return replace(made, label=self.target_label(task))
        return replace(made, learned=completion)
