"""Tables for terminals of any width: cells break between words and never within one."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from fedbytes.labels import printable

_GAP = 2  # columns of the screen between two of the table
_IN_TEXT = re.compile(r" +")
_IN_NUMBERS = re.compile(r"(?<=,) +| +(?=[(±])")  # 4.1 (2.5 to 6.8) and 56 ± 19, not 30.9 kB


class FittedTable(Table):
    """A table whose cells break where they may, so that it fits the screen.

    Text breaks at spaces; a column of numbers, which is one justified to the right, only after a
    comma and before a bracket or ±. Where that is not enough, each row is written as lines of
    `head: cell`.

    Args:
        headers: the heads of the columns.
        title: above the table, on the left.
        left: the heads of columns of text; all others are justified to the right.
    """

    def __init__(
        self, *headers: str, title: str | Text | None = None, left: Sequence[str] = ()
    ) -> None:
        super().__init__(
            title=title, title_justify="left", box=None, pad_edge=False, padding=(0, _GAP, 0, 0)
        )
        for head in headers:
            self.add_column(Text(head), justify="left" if head in left else "right")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        columns = [[_text(column.header), *map(_text, column.cells)] for column in self.columns]
        may_break = [
            _IN_NUMBERS if column.justify == "right" else _IN_TEXT for column in self.columns
        ]
        room = options.max_width - _GAP * (len(columns) - 1)
        widths = _fit(columns, may_break, room)
        if widths is None:
            yield from self._records(columns)
            return
        shown = Table(
            title=self.title,
            title_justify="left",
            title_style=self.title_style,
            box=None,
            pad_edge=False,
            padding=(0, _GAP, 0, 0),
        )
        for column, cells, width in zip(self.columns, columns, widths, strict=True):
            head = _break(cells[0], width, _IN_TEXT)
            shown.add_column(head, justify=column.justify, width=width, no_wrap=True)
        for row in zip(*(cells[1:] for cells in columns), strict=True):
            parts = zip(row, widths, may_break, strict=True)
            shown.add_row(*(_break(cell, width, at) for cell, width, at in parts))
        yield shown

    def _records(self, columns: Sequence[Sequence[Text]]) -> Iterator[Text]:
        if self.title:
            yield _text(self.title)
        heads = [cells[0] for cells in columns]
        for row in zip(*(cells[1:] for cells in columns), strict=True):
            yield row[0]
            for head, cell in list(zip(heads, row, strict=True))[1:]:
                yield Text.assemble("  ", head, ": ", cell)


def _text(cell: Any) -> Text:
    return cell if isinstance(cell, Text) else Text(printable(str(cell)))


def _fit(
    columns: Sequence[Sequence[Text]], may_break: Sequence[re.Pattern[str]], room: int
) -> list[int] | None:
    """Return widths that fit in `room`, the widest column narrowed first; None if none do."""
    widths = [max(cell.cell_len for cell in cells) for cells in columns]
    least = [
        max(
            cell_len(piece)
            for place, cell in enumerate(cells)
            for piece in (at if place else _IN_TEXT).split(cell.plain)
        )
        for cells, at in zip(columns, may_break, strict=True)
    ]
    if sum(least) > room:
        return None
    while sum(widths) > room:
        loose = [i for i, width in enumerate(widths) if width > least[i]]
        widths[max(loose, key=widths.__getitem__)] -= 1
    return widths


def _break(cell: Text, width: int, at: re.Pattern[str]) -> Text:
    """Return a cell with line ends at places where it may break, in lines of `width`."""
    found = list(at.finditer(cell.plain))
    starts, ends = [0, *(m.end() for m in found)], [*(m.start() for m in found), len(cell)]
    lines, first, last = [], starts[0], ends[0]
    for start, end in zip(starts[1:], ends[1:], strict=True):
        if cell_len(cell.plain[first:end]) > width:
            lines.append(cell[first:last])
            first = start
        last = end
    return Text("\n").join([*lines, cell[first:]])
