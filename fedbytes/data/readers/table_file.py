"""A user's own table: CSV, TSV, JSON Lines or Parquet."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fedbytes.data.readers.arrow_table import read_parquet
from fedbytes.data.readers.delimited import read_delimited
from fedbytes.data.readers.json_lines import read_json_rows
from fedbytes.data.readers.table import Table, as_frame, join_tables, shown_names
from fedbytes.data.readers.table_split import CLIENT, text_data
from fedbytes.data.readers.text_files import UTF8
from fedbytes.data.text_data import Split, TextData
from fedbytes.process.near_paths import hint_at_near_path

if TYPE_CHECKING:
    import pandas as pd

_LISTED = 5  # clients that a note names
SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
FilePaths = str | Mapping[str, str]
"""A file, or files by the names of the clients that hold them."""


def load_table(path: FilePaths, encoding: str = UTF8, quotes: bool = True) -> Table:
    """Return a file as a table, or several in the order of their clients' names.

    Several have the column `client`.

    Cells of CSV and TSV are text; JSON Lines and Parquet have types of their own.

    Args:
        path: the file, or client -> file; the suffix gives the format.
        encoding: that of CSV, TSV and JSON Lines.
        quotes: whether cells of CSV and TSV may be in quotes (see `read_delimited`).

    Raises:
        ValueError: for a missing file, an unknown suffix, or a file that does not parse or has no
            rows.
    """
    if isinstance(path, Mapping):
        # By name, since the order in which a mapping is written is no part of a run's identity.
        tables = {name: load_table(p, encoding, quotes) for name, p in sorted(path.items())}
        return join_tables(tables, CLIENT)
    file = Path(path)
    if not file.is_file():
        raise ValueError(f"there is no file {file}{hint_at_near_path(file)}")
    suffix = file.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"{file}: unknown suffix {suffix!r} (known: {', '.join(SUFFIXES)})")
    if suffix == ".parquet":
        return read_parquet(file)
    if suffix in (".csv", ".tsv"):
        return read_delimited(file, "\t" if suffix == ".tsv" else ",", encoding, quotes)
    return read_json_rows(file, encoding)


def listed_paths(*paths: FilePaths | None) -> tuple[Path, ...]:
    """Return the files that some fields name."""
    named = (p.values() if isinstance(p, Mapping) else [p] for p in paths if p)
    return tuple(Path(path) for files in named for path in files)


def check_paths(path: FilePaths, test_path: FilePaths | None) -> None:
    """Check files that are given by the names of clients.

    Raises:
        ValueError: if there is none, or a client has test examples alone.
    """
    for field, paths in (("path", path), ("test_path", test_path)):
        if isinstance(paths, Mapping) and not all([paths, *paths, *paths.values()]):
            raise ValueError(f"{field}: give the name of each client and its file, got {paths!r}")
    if isinstance(test_path, Mapping):
        known = path if isinstance(path, Mapping) else {}
        extra = [client for client in test_path if client not in known]
        if extra:
            raise ValueError(
                f"test_path has client {extra[0]!r}, which path does not have: give both files by "
                "the same clients' names"
            )


def load_file(
    path: FilePaths,
    test_path: FilePaths | None = None,
    text: str = "text",
    label: str | None = "label",
    test_fraction: float = 0.2,
    encoding: str = UTF8,
    quotes: bool = True,
) -> TextData:
    """Return the data set in one file, or in two; see `load_table` and `text_data`.

    Raises:
        ValueError: as those.
    """
    train = load_table(path, encoding, quotes)
    test = None if test_path is None else load_table(test_path, encoding, quotes)
    name = ", ".join(file.name for file in listed_paths(path))
    data = text_data(train, test, text, label, test_fraction, name)
    return replace(data, notes=(*data.notes, *notes_on_clients(path, data.train)))


def notes_on_clients(path: FilePaths, train: Split) -> list[str]:
    """Return a line on files given as clients that have no training example, if there are any."""
    if not isinstance(path, Mapping) or CLIENT not in train.columns:
        return []
    without = sorted(set(path) - set(train.columns[CLIENT].tolist()))
    if not without:
        return []
    listed = ", ".join(shown_names(without[:_LISTED])) + (", …" if len(without) > _LISTED else "")
    return [
        f"{len(without)} of {len(path)} files given as clients have no training examples "
        f"({listed}), since all of theirs are left out or held out for testing: they are no clients"
    ]


def read_frame(name: str, as_written: bool = True) -> "pd.DataFrame":  # noqa: ARG001
    """Return a file as a table of pandas; None is a missing value.

    Args:
        name: the file; the format follows from the suffix.
        as_written: the former choice between guessed types and the file's; it has no effect, and
            goes with the next release.

    Raises:
        ValueError: for a missing file, an unknown suffix, or a file that does not parse or has no
            rows.
    """
    return as_frame(load_table(name))
