"""A table in memory, whose values have the types that their file gives them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fedbytes.data.readers.factor_column import NESTED, as_factor, python_value
from fedbytes.data.text_data import Column
from fedbytes.registry import nearest

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_SHORT: dict[str, Any] = {"halffloat": np.float16, "float": np.float32}
"""Floats of Arrow that have fewer digits than those of Python."""


@dataclass(frozen=True)
class Table:
    """Columns of equal length.

    Attributes:
        where: what messages call it: a file, or a data set's id.
        columns: name -> Python values, None where one is missing; or a column of Arrow.
        rows: how many there are.
    """

    where: str
    columns: "Mapping[str, Sequence[Any] | pa.ChunkedArray]"
    rows: int

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return list(self.columns)

    def require(self, name: str) -> None:
        """Raise a ValueError that lists the columns if none is called `name`."""
        if name not in self.columns:
            raise ValueError(
                f"{self.where} has no column {name!r}{nearest(name, shown_names(self.names))}"
            )

    def values(self, name: str) -> Sequence[Any]:
        """Return a column as Python values, None where one is missing.

        Raises:
            ValueError: if there is no such column, or its values cannot be had, such as dates
                beyond the year 9999.
        """
        self.require(name)
        column: Any = self.columns[name]
        if isinstance(column, Sequence):
            return column
        try:
            found: list[Any] = column.to_pylist()
        except (ValueError, OverflowError, TypeError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise ValueError(f"{self.where}: column {name!r} cannot be read: {reason}") from error
        return found

    def holds(self, name: str) -> str | None:
        """Return what a column holds that is no plain value: lists, mappings or bytes."""
        column: Any = self.columns[name]
        if not isinstance(column, Sequence):
            return _arrow_nesting(column.type)
        return next((NESTED[kind] for kind in set(map(type, column)) if kind in NESTED), None)

    def plain_values(self, name: str, what: str) -> list[Any]:
        """Return a column of texts, labels or other plain values; NaN counts as missing.

        Args:
            name: the column.
            what: what it should be, for the message.

        Raises:
            ValueError: if there is no such column, or it holds lists, mappings or bytes.
        """
        self.require(name)
        kind = self.holds(name)
        if kind is not None:
            raise ValueError(
                f"{self.where}: column {name!r} holds {kind}: give a column of plain {what}"
            )
        found = list(self.values(name))
        if not set(map(type, found)) <= {str, int, bool, type(None)}:
            found = [None if v is None or v != v else v for v in found]
        column: Any = self.columns[name]
        short = _SHORT.get(str(getattr(column, "type", "")))
        return found if short is None else [None if v is None else short(v) for v in found]

    def factor(self, name: str, rows: Sequence[int] | None = None) -> Column | None:
        """Return a column that can split examples, or None if it is neither numbers nor words.

        Args:
            name: the column.
            rows: which rows to take; all by default.
        """
        if self.holds(name) is not None:
            return None
        try:
            values = self.values(name)
        except ValueError:
            return None
        return as_factor(values if rows is None else [values[row] for row in rows])


def shown_names(names: Sequence[str]) -> list[str]:
    """Return names as a message of one line shows them."""
    return [name if name.isprintable() else repr(name)[1:-1] for name in names]


def as_table(frame: "pd.DataFrame | Table", where: str) -> Table:
    """Return a table of pandas as one of ours; all that pandas calls missing is missing."""
    if isinstance(frame, Table):
        return frame
    columns = {
        str(name): [python_value(value) for value in frame[name].tolist()] for name in frame.columns
    }
    return Table(where, columns, len(frame))


def as_frame(table: Table) -> "pd.DataFrame":
    """Return a table as one of pandas; columns with missing values or text hold objects."""
    import pandas as pd

    columns = {}
    for name in table.names:
        values = table.values(name)
        same = len({type(value) for value in values}) == 1
        numbers = same and isinstance(values[0], bool | int | float)
        columns[name] = pd.Series(values, dtype=None if numbers else object)
    return pd.DataFrame(columns)


def join_tables(tables: Mapping[str, Table], column: str) -> Table:
    """Return several tables below each other, with a column that names the one of each row.

    Columns that not all tables have are missing where they are not.

    Raises:
        ValueError: if a table has that column already.
    """
    for table in tables.values():
        if column in table.columns:
            raise ValueError(
                f"{table.where} has a column {column!r}, which names the file that a row is from: "
                "rename it"
            )
    clients = [client for client, table in tables.items() for _ in range(table.rows)]
    stacked = stack_tables(list(tables.values()))
    return Table(stacked.where, {**stacked.columns, column: clients}, stacked.rows)


def stack_tables(tables: Sequence[Table]) -> Table:
    """Return tables below each other; columns that one does not have are missing there."""
    names = dict.fromkeys(name for table in tables for name in table.names)
    columns: dict[str, list[Any]] = {name: [] for name in names}
    for table in tables:
        for name, joined in columns.items():
            joined += table.values(name) if name in table.columns else [None] * table.rows
    where = ", ".join(table.where for table in tables)
    return Table(where, columns, sum(table.rows for table in tables))


def _arrow_nesting(kind: "pa.DataType") -> str | None:
    import pyarrow as pa

    while pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        kind = kind.value_type
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    if pa.types.is_struct(kind) or pa.types.is_map(kind) or pa.types.is_union(kind):
        return "mappings"
    if pa.types.is_nested(kind):
        return "lists"
    return "bytes" if "binary" in str(kind) else None
