"""CSV and TSV files: every cell is text, read as RFC 4180 writes it, or refused."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from fedbytes.data.readers.table import Table, shown_names
from fedbytes.data.readers.text_files import UTF8, read_lines

_QUOTED = re.compile(r'"([^"]*(?:""[^"]*)*)"')
_ROWS_PER_CHUNK = 8192
_END_NAMES = {"\n": "LF", "\r\n": "CR LF", "\r": "CR"}

Record = tuple[int, list[str]]
"""The line on which a record begins, and its cells."""


def read_delimited(path: Path, separator: str, encoding: str = UTF8, quotes: bool = True) -> Table:
    """Return a file whose first line names its columns.

    Cells are text, white space included; an empty one is missing. Blank lines are no records. A
    column without a name is left out, since nothing can name it.

    Args:
        path: the file.
        separator: one character between cells.
        encoding: that of the file.
        quotes: cells may be in double quotes, to hold separators, line ends, and quotes that are
            doubled. Quotes inside other cells are text if they come in pairs. With false, quotes
            are characters as any other.

    Raises:
        ValueError: one line with file, line and remedy, if the file is read in more than one way
            or in none: a field too many or too few, text beside quotes, a quote that is not
            closed, line ends of two kinds, a column that stands twice.
    """
    records = _records(path, read_lines(path, encoding), separator, quotes)
    line, names = next(records, (0, []))
    if not line:
        raise ValueError(f"{path} has no rows")
    again = next((name for i, name in enumerate(names) if name and name in names[:i]), None)
    if again is not None:
        raise ValueError(f"{path}, line {line}: column {again!r} stands twice: rename one of them")
    columns: list[list[str | None]] = [[] for _ in names]
    for chunk in _chunks(path, records, names):
        for column, cells in zip(columns, zip(*chunk, strict=True), strict=True):
            column += [cell or None for cell in cells]
    if not columns[0]:
        raise ValueError(f"{path} has no rows")
    named = {name: column for name, column in zip(names, columns, strict=True) if name}
    return Table(str(path), named, len(columns[0]))


def _chunks(path: Path, records: Iterable[Record], names: list[str]) -> Iterator[list[list[str]]]:
    """Yield the cells of many records at a time, each as many as there are columns."""
    chunk: list[list[str]] = []
    for line, cells in records:
        if len(cells) != len(names):
            known = ", ".join(shown_names(names))
            raise ValueError(
                f"{path}, line {line}: {len(cells)} fields for {len(names)} columns "
                f"({known[:80]}): put a cell that holds the separator in quotes, and "
                "give every line as many separators as the first"
            )
        chunk.append(cells)
        if len(chunk) == _ROWS_PER_CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _records(path: Path, lines: Iterable[str], separator: str, quotes: bool) -> Iterator[Record]:
    """Yield records; one goes on over lines for as long as its quotes do not come in pairs."""
    first, first_line = "", 0
    parts: list[str] = []
    begun, open_ = 0, False
    for number, line in enumerate(lines, 1):
        if parts or (quotes and '"' in line):
            begun = begun or number
            parts.append(line)
            open_ ^= bool(line.count('"') % 2)
            if open_:
                continue
        end = "\n" if line[-1:] == "\n" else line[-1:] if line[-1:] == "\r" else ""
        if end == "\n" and line[-2:] == "\r\n":
            end = "\r\n"
        if end != first and end:
            if first:
                raise ValueError(
                    f"{path}, line {number} ends in {_END_NAMES[end]}, line {first_line} in "
                    f"{_END_NAMES[first]}: give all lines the same end, and put a cell that holds "
                    "one in quotes"
                )
            first, first_line = end, number
        if parts:
            record = "".join(parts).removesuffix(end)
            yield begun, _cells(f"{path}, line {begun}", record, separator)
            parts, begun = [], 0
        elif len(line) > len(end):
            yield number, line.removesuffix(end).split(separator)
    if parts:
        _cells(f"{path}, line {begun}", "".join(parts), separator)
        raise ValueError(f"{path}, line {begun}: a quote that begins a cell is not closed")


def _cells(where: str, record: str, separator: str) -> list[str]:
    """Return the cells of a record that has quotes."""
    cells: list[str] = []
    at = 0
    while True:
        quoted = _QUOTED.match(record, at)
        if quoted is not None:
            cell, end = quoted[1].replace('""', '"'), quoted.end()
            if record[end : end + 1] not in ("", separator):
                raise ValueError(_stray(where, record[at : end + 20], "text beside a quoted cell"))
        else:
            found = record.find(separator, at)
            end = len(record) if found < 0 else found
            cell = record[at:end]
            if cell.startswith('"'):
                raise ValueError(_stray(where, cell, "a quote that begins a cell is not closed"))
            if cell.count('"') % 2 or "\n" in cell or "\r" in cell:
                raise ValueError(_stray(where, cell, "a single quote inside a cell"))
        cells.append(cell)
        if end == len(record):
            return cells
        at = end + 1


def _stray(where: str, cell: str, what: str) -> str:
    return (
        f"{where}: {what} ({cell[:40]!r}): put the whole cell in quotes and double those in it, "
        "or set task.quotes=false if quotes are ordinary characters in this file"
    )
