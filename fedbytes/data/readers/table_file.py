"""A user's own table: CSV, TSV, JSON Lines or Parquet."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fedbytes.data.text_data import Column, Split, TextData, make_split, make_text_data
from fedbytes.registry import nearest
from fedbytes.streams import stream

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
LONGEST_FACTOR = 200


def load_file(
    path: str,
    test_path: str | None = None,
    text: str = "text",
    label: str | None = "label",
    test_fraction: float = 0.2,
) -> TextData:
    """Return the data set in one file, or in two.

    Args:
        path: training examples; the suffix gives the format.
        test_path: test examples; without it a fraction of `path` is held out.
        text: name of the column with the texts.
        label: name of the column with the labels, None for language modelling. In the split it is
            called `label`, whatever its name in the file.
        test_fraction: fraction held out, always the same examples of the same file.

    Raises:
        ValueError: for a missing file, an unknown suffix, a file that does not parse, or a
            missing column; the message lists the existing columns.
    """
    train = to_split(read_frame(path), text, label, path)
    if test_path is not None:
        test = to_split(read_frame(test_path), text, label, test_path)
    else:
        train, test = hold_out(train, test_fraction)
    return make_text_data(Path(path).name, train, test)


def to_split(frame: "pd.DataFrame", text: str, label: str | None, where: str) -> Split:
    """Return a table as a split; rows without a text or label are dropped.

    Raises:
        ValueError: if the text or label column is missing.
    """
    names = [str(name) for name in frame.columns]
    for wanted in [text] if label is None else [text, label]:
        if wanted not in names:
            raise ValueError(f"{where} has no column {wanted!r}{nearest(wanted, names)}")
    frame = frame.dropna(subset=[text] if label is None else [text, label])
    columns = {name: c for name in names if (c := as_factor(frame[name])) is not None}
    if label is not None:
        columns["label"] = np.array([str(value) for value in frame[label]], dtype=np.str_)
    return make_split([str(value) for value in frame[text]], columns)


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


def read_frame(name: str, as_written: bool = False) -> "pd.DataFrame":
    """Return a file as a table.

    Args:
        name: the file; the format follows from the suffix.
        as_written: leave cells that look like numbers or missing values as they are.

    Raises:
        ValueError: for a missing file, an unknown suffix, or a file that does not parse or has no
            rows.
    """
    import pandas as pd

    path = Path(name)
    csv: dict[str, Any] = {"dtype": str, "keep_default_na": False} if as_written else {}
    lines: dict[str, Any] = {"dtype": False} if as_written else {}
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"{path}: unknown suffix {suffix!r} (known: {', '.join(SUFFIXES)})")
    table: pd.DataFrame
    try:
        if suffix in (".csv", ".tsv"):
            table = pd.read_csv(path, sep="\t" if suffix == ".tsv" else ",", **csv)
        elif suffix in (".jsonl", ".ndjson"):
            table = pd.read_json(path, lines=True, **lines)
        else:
            table = pd.read_parquet(path)
    except Exception as error:  # each reader has its own error types
        reason = (str(error).splitlines() or ["unreadable"])[0]
        raise ValueError(f"{path} does not parse as {suffix[1:]}: {reason}") from error
    if table.empty:
        raise ValueError(f"{path} has no rows")
    return table


def as_factor(values: Iterable[object]) -> Column | None:
    """Return a column as numbers or short strings, or None if it is neither."""
    plain = [value.item() if isinstance(value, np.generic) else value for value in values]
    if all(isinstance(value, int | float) for value in plain):
        return np.array(plain)
    if any(isinstance(value, list | dict | tuple | np.ndarray | bytes) for value in plain):
        return None
    words = ["" if value is None or value != value else str(value) for value in plain]
    if max(map(len, words), default=0) > LONGEST_FACTOR:
        return None
    return np.array(words, dtype=np.str_)
