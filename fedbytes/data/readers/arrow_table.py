"""Tables with the column types of Arrow: Parquet files, and data sets of the hub."""

from pathlib import Path
from typing import TYPE_CHECKING

from fedbytes.data.readers.table import Table

if TYPE_CHECKING:
    import pyarrow as pa


def read_parquet(path: Path) -> Table:
    """Return a Parquet file with the types of its columns.

    Raises:
        ValueError: for a file that does not parse, a column that stands twice, or no rows.
    """
    import pyarrow.parquet as pq

    try:
        # Not `read_table`, which adds columns that the names of the folders above spell.
        with pq.ParquetFile(path) as file:
            found = file.read()
    except Exception as error:  # pyarrow raises its own types, and those of the system
        reason = (str(error).splitlines() or ["unreadable"])[0]
        raise ValueError(f"{path} does not parse as parquet: {reason}") from error
    return arrow_table(str(path), found)


def arrow_table(where: str, found: "pa.Table") -> Table:
    """Return an Arrow table as a table.

    Raises:
        ValueError: if a column stands twice, or there are no rows.
    """
    names = found.column_names
    again = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if again is not None:
        raise ValueError(f"{where}: column {again!r} stands twice: rename one of them")
    if not found.num_rows or not names:
        raise ValueError(f"{where} has no rows")
    return Table(where, dict(zip(names, found.columns, strict=True)), found.num_rows)
