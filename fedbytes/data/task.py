"""A task: texts, and what is learned from them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from fedbytes.data.text_data import Split, TextData, make_text_data
from fedbytes.plugin_fields import Plugin, added_field, bounded
from fedbytes.registry import Registry
from fedbytes.streams import stream

Kind = Literal["classification", "causal-lm"]


@dataclass(frozen=True)
class Task(Plugin):
    """Texts and a learning objective; one registered class per data source.

    Attributes:
        kind: `classification` of the column `label`, or `causal-lm` (next token) on the texts.
        max_length: tokens to which a text is truncated, special tokens included.
        max_train_examples: size of a random sample of training examples, the same for all seeds.
        max_test_examples: the same for the test examples.
        pack: for causal-lm, join a client's texts, each followed by the end token, and cut them
            into rows of exactly `max_length` tokens, instead of truncating each text.
        validation: share of the training texts that is held out, the same for all seeds: never
            split among clients, and never tested on unless `evaluate_on` says so.
        evaluate_on: `test`, or `validation` to choose settings without a look at the test texts.
    """

    reads_tables: ClassVar[bool] = False
    """Whether columns are a user's own: text there is read as numbers where their order counts."""
    holders: ClassVar[str] = ""
    """The column that says who has a training example, if not all are split among clients: those of
    `clients` are, those of `server` are its own, and others are for attacks that ask for them."""
    kind: Kind = "classification"
    max_length: int = bounded(64, least=1)
    max_train_examples: int | None = bounded(None, least=1)
    max_test_examples: int | None = bounded(None, least=1)
    pack: bool = added_field(False)
    validation: float | None = added_field(bounded(None, above=0, below=1))
    evaluate_on: Literal["test", "validation"] = added_field("test")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pack and self.kind != "causal-lm":
            raise ValueError(f"pack requires kind: causal-lm (got kind: {self.kind})")
        if self.evaluate_on == "validation" and self.validation is None:
            raise ValueError(
                "evaluate_on: validation requires validation, the share of the training texts that "
                "is held out, such as 0.2"
            )

    def read_paths(self) -> tuple[Path, ...]:
        """Return the files that this task reads from disk, whether they exist or not.

        Relative paths are relative to the working folder. Named assets are not among them: their
        content is pinned by their digests.
        """
        return ()

    def read(self) -> TextData:
        """Return all texts of the data source, before sampling."""
        raise NotImplementedError

    def load(self) -> TextData:
        """Return the texts, sampled to the maximum numbers of examples.

        Raises:
            ValueError: if the source is missing or lacks a column, or nothing is left to train on.
        """
        data = self.read()
        given = self.max_train_examples, self.max_test_examples, self.validation
        if given == (None, None, None):
            return data
        train, test = self._without_validation(data)
        train = _subsample(train, self.max_train_examples, 0)
        test = _subsample(test, self.max_test_examples, 1)
        return make_text_data(data.name, train, test, notes=data.notes)

    def _without_validation(self, data: TextData) -> tuple[Split, Split]:
        """Return the examples to learn from and those to measure with; the rest is not used."""
        if self.validation is None:
            return data.train, data.test
        rows = stream(0, "validation").permutation(len(data.train)).astype(np.int64)
        count = max(1, round(self.validation * len(data.train)))
        if count >= len(data.train):
            raise ValueError(
                f"validation={self.validation:g} leaves none of {len(data.train)} texts of "
                f"{data.name!r} to train on"
            )
        held, kept = np.sort(rows[:count]), np.sort(rows[count:])
        train = data.train.take(kept)
        return train, data.test if self.evaluate_on == "test" else data.train.take(held)


TASKS: Registry[Task] = Registry(
    "task", Task, "fedbytes.data.tasks", "fedbytes.data.testing.task_contract:check_task"
)


def make_task(spec: str | Mapping[str, Any] | Task, **fields: Any) -> Task:
    """Build a task from a name and fields, or from `{"name": …, **fields}`.

    Raises:
        ValueError: for an unknown name, a misspelt field (the message names the nearest), or a
            value out of range.
    """
    return TASKS.make(spec, **fields)


def _subsample(split: Split, count: int | None, part: int) -> Split:
    if count is None or count >= len(split):
        return split
    rows = stream(0, "subsample", part).permutation(len(split))[:count]
    return split.take(np.sort(rows).astype(np.int64))
