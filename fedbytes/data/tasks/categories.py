from dataclasses import dataclass

from fedbytes.data.readers.named_tables import load_categories
from fedbytes.data.task import TASKS, Task
from fedbytes.data.text_data import TextData


class _Categories(Task):
    def read(self) -> TextData:
        return load_categories(self.name)


@TASKS.register("reuters-r8")
@dataclass(frozen=True)
class ReutersR8(_Categories):
    """Newswire of 1987 in 8 unbalanced topics: 5,485 train, 2,189 test (Reuters-21578)."""


@TASKS.register("reuters-r52")
@dataclass(frozen=True)
class ReutersR52(_Categories):
    """Newswire of 1987 in 52 unbalanced topics: 6,532 train, 2,568 test (Reuters-21578)."""


@TASKS.register("20newsgroups")
@dataclass(frozen=True)
class TwentyNewsgroups(_Categories):
    """Usenet posts in 20 groups: 11,293 train, 7,528 test."""
