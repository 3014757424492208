"""From tables to splits: texts, labels as words, and all columns that can split examples."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fedbytes.data.readers.factor_column import word_array
from fedbytes.data.readers.table import Table, as_table
from fedbytes.data.text_data import Column, Split, TextData, make_split, make_text_data
from fedbytes.streams import stream

if TYPE_CHECKING:
    import pandas as pd

CLIENT = "client"
"""The column that names the file of a row, where several files are given by clients' names."""
_NUMBERS = (int, float, np.float32, np.float16)


def text_data(
    train: Table, test: Table | None, text: str, label: str | None, test_fraction: float, name: str
) -> TextData:
    """Return the data set in one table, or in two.

    Labels of both become words together, so that one vocabulary names them. Rows without a text
    or label are left out, which a note says.

    Args:
        train: training examples.
        test: test examples; without it a fraction of `train` is held out.
        text: name of the column with the texts.
        label: name of the column with the labels, None for language modelling. In the split it is
            called `label`, whatever its name in the file.
        test_fraction: fraction held out, always the same examples of the same table.
        name: what messages call the data set.

    Raises:
        ValueError: if a column is missing, or holds lists, mappings or bytes.
    """
    tables = [train] if test is None else [train, test]
    if test is not None and CLIENT in train.columns and CLIENT not in test.columns:
        columns = {**test.columns, CLIENT: [None] * test.rows}  # test examples of no client
        tables[1] = Table(test.where, columns, test.rows)
    train.require(text)
    words = [None] * len(tables) if label is None else label_words(tables, label)
    found = [_split(table, text, label, w) for table, w in zip(tables, words, strict=True)]
    splits = [split for split, _ in found]
    notes = [note for _, note in found if note]
    pair = splits if test is not None else hold_out(splits[0], test_fraction)
    return make_text_data(name, pair[0], pair[1], notes=notes)


def to_split(frame: "pd.DataFrame | Table", text: str, label: str | None, where: str) -> Split:
    """Return a table as a split; rows without a text or label are dropped.

    Raises:
        ValueError: if the text or label column is missing, or holds lists, mappings or bytes.
    """
    table = as_table(frame, where)
    table.require(text)
    words = None if label is None else label_words([table], label)[0]
    return _split(table, text, label, words)[0]


def label_words(tables: Sequence[Table], label: str) -> list[list[str | None]]:
    """Return the labels of some tables as words, None where one is missing.

    Numbers are written as they are, but whole ones without a point where any is an int, or where
    some are missing: tables whose ints have a gap are often stored as floats.
    """
    columns = [table.plain_values(label, "labels") for table in tables]
    given = [value for values in columns for value in values if value is not None]
    numbers = all(type(value) in _NUMBERS for value in given)
    gap = len(given) < sum(map(len, columns))
    whole = numbers and (gap or any(isinstance(value, int) for value in given))
    return [[None if v is None else _word(v, whole) for v in values] for values in columns]


def _word(value: Any, whole: bool) -> str:
    if whole and not isinstance(value, int) and float(value).is_integer():
        return str(int(value))
    return str(value)


def _split(
    table: Table, text: str, label: str | None, words: Sequence[str | None] | None
) -> tuple[Split, str]:
    """Return a table as a split, and what was left out, in one line or none."""
    texts = table.plain_values(text, "text")
    rows = [
        row
        for row, value in enumerate(texts)
        if value is not None and (words is None or words[row] is not None)
    ]
    taken = rows if len(rows) < table.rows else None
    factors = {name: table.factor(name, taken) for name in table.names}
    columns: dict[str, Column] = {name: c for name, c in factors.items() if c is not None}
    if words is not None:
        columns["label"] = word_array([str(words[row]) for row in rows])
    no_text = sum(value is None for value in texts)
    no_label = table.rows - len(rows) - no_text
    reasons = [f"{no_text} without {text!r}"] * bool(no_text)
    reasons += [f"{no_label} without {label!r}"] * bool(no_label)
    note = f"{table.where}: {table.rows - len(rows)} of {table.rows} rows left out: "
    if not rows:
        raise ValueError(note + " and ".join(reasons))
    return make_split([str(texts[row]) for row in rows], columns), (
        note + " and ".join(reasons) if reasons else ""
    )


def hold_out(split: Split, fraction: float) -> tuple[Split, Split]:
    """Return (train, test), drawn the same way whatever the run's seed.

    Raises:
        ValueError: if `fraction` leaves no examples for training or testing.
    """
    count = round(fraction * len(split))
    if not 0 < count < len(split):
        raise ValueError(
            f"test_fraction={fraction} of {len(split)} examples leaves nothing to "
            f"{'test on' if count == 0 else 'train on'}: provide more examples, or a test set"
        )
    order = stream(0, "test split").permutation(len(split))
    return split.take(np.sort(order[count:])), split.take(np.sort(order[:count]))
