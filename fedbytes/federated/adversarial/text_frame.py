"""How a task's texts begin and end, which everyone can see in its public texts."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class TextFrame:
    """The special tokens around a text, and how many words are between them.

    Attributes:
        opening: the tokens that a text begins with.
        closing: those that it ends with.
        length: how many words the longest text has.
    """

    opening: tuple[int, ...]
    closing: tuple[int, ...]
    length: int

    @classmethod
    def of(cls, task: Any) -> "TextFrame":
        """Return the frame of a task, by the first of its test texts that has a word."""
        special = {*map(int, task.tokenizer.all_special_ids)}
        split = task.test
        for begin, end in zip(split.offsets[:-1], split.offsets[1:], strict=True):
            row = split.tokens[begin:end].tolist()
            inside = [place for place, token in enumerate(row) if token not in special]
            if inside:
                opening, closing = row[: inside[0]], row[inside[-1] + 1 :]
                length = max(1, task.max_length - len(opening) - len(closing))
                return cls(tuple(opening), tuple(closing), length)
        raise ValueError("no public text has a word")

    @property
    def inside(self) -> tuple[int, int]:
        """Where words begin and end in a text."""
        return len(self.opening), len(self.opening) + self.length

    def blank(self, texts: int) -> Tensor:
        """Return texts whose words are all token 0, int64 [texts, time]."""
        row = [*self.opening, *[0] * self.length, *self.closing]
        return torch.tensor([row] * texts, dtype=torch.int64)
