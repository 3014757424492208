"""Data sets in memory: texts with columns, split into train and test."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Column = npt.NDArray[Any]
Chat = tuple[dict[str, str], ...]
"""A conversation: messages with `role` (system, user or assistant) and `content`."""


@dataclass(frozen=True)
class Split:
    """One part of a data set.

    Attributes:
        texts: one text per example.
        columns: name -> one-dimensional array with one entry per example. `length` (words separated
            by white space) is always present, `label` if the data has labels. Each can be the
            factor that splits examples among clients.
        chats: for instruction tuning, one conversation per example, whose words are in `texts`.
    """

    texts: list[str]
    columns: dict[str, Column] = field(default_factory=dict)
    chats: list[Chat] | None = None

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: npt.NDArray[np.int64]) -> "Split":
        """Return the examples at `rows`, in that order."""
        texts = [self.texts[row] for row in rows]
        columns = {name: column[rows] for name, column in self.columns.items()}
        chats = None if self.chats is None else [self.chats[row] for row in rows]
        return Split(texts, columns, chats)


@dataclass(frozen=True)
class TextData:
    """A data set.

    Attributes:
        name: what messages call it.
        digest: SHA-256 of its texts and labels.
        train: the examples to learn from.
        test: those to measure with.
        notes: what whoever runs it should know, in one line each, such as how many rows were
            left out and why. They are printed once, and stand in a run's provenance.
    """

    name: str
    digest: str
    train: Split
    test: Split
    notes: tuple[str, ...] = ()


def make_split(
    texts: Sequence[str],
    columns: Mapping[str, Sequence[Any] | Column],
    chats: list[Chat] | None = None,
) -> Split:
    """Return a split of `texts`, with the column `length` added.

    Raises:
        ValueError: if a column does not have one entry per text.
    """
    arrays = {name: np.asarray(values) for name, values in columns.items()}
    for name, array in arrays.items():
        if array.shape != (len(texts),):
            raise ValueError(f"column {name!r} has shape {array.shape} for {len(texts)} texts")
    arrays.setdefault("length", np.array([len(text.split()) for text in texts], dtype=np.int64))
    return Split(list(texts), arrays, chats)


def make_text_data(name: str, train: Split, test: Split, *, notes: Sequence[str] = ()) -> TextData:
    """Return the data set with its content digest.

    Raises:
        ValueError: if a split is empty.
    """
    for part, split in (("train", train), ("test", test)):
        if not len(split):
            raise ValueError(f"data set {name!r} has no {part} examples")
    return TextData(name, _digest(train, test), train, test, tuple(notes))


def _digest(*splits: Split) -> str:
    digest = hashlib.sha256()
    for split in splits:
        labels = split.columns.get("label")
        lists: list[list[Any]] = [split.texts, [] if labels is None else labels.tolist()]
        if split.chats is not None:
            lists.append([json.dumps(chat, sort_keys=True) for chat in split.chats])
        for texts in lists:
            digest.update(len(texts).to_bytes(8, "little"))
            for text in texts:
                raw = str(text).encode()
                digest.update(len(raw).to_bytes(8, "little") + raw)
    return digest.hexdigest()
