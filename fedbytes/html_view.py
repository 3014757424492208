"""Small HTML tables by which objects show themselves in notebooks."""

from collections.abc import Iterable, Sequence
from html import escape

from fedbytes.labels import printable

_CELL = "text-align:left;padding:0.1em 1em 0.1em 0;vertical-align:top"
_BAR = "display:inline-block;height:0.7em;background:#0072b2;width:{share:.1f}em"
WIDEST = 12.0
"""Of a bar, in ems."""


def html_table(
    title: str, rows: Iterable[Sequence[object]], heads: Sequence[str] = (), note: str = ""
) -> str:
    """Return a table with a title; cells are texts, and what HTML reads as its own is escaped.

    A cell that is a `Bar` is drawn.
    """
    head = "".join(f'<th style="{_CELL}">{html_text(name)}</th>' for name in heads)
    lines = [f"<tr>{head}</tr>"] if heads else []
    for row in rows:
        cells = "".join(f'<td style="{_CELL}">{_cell(cell)}</td>' for cell in row)
        lines.append(f"<tr>{cells}</tr>")
    below = f"<div>{html_text(note)}</div>" if note else ""
    return f"<div><strong>{html_text(title)}</strong><table>{''.join(lines)}</table>{below}</div>"


def html_text(text: object) -> str:
    """Return a text as HTML that shows it."""
    return escape(printable(str(text)))


class Bar:
    """A bar of `value` out of the `largest`, with its number beside it."""

    def __init__(self, value: float, largest: float, text: str = "") -> None:
        self.share = WIDEST * value / largest if largest else 0.0
        self.text = text or f"{value:g}"

    def __str__(self) -> str:
        style = _BAR.format(share=self.share)
        return f'<span style="{style}"></span> {html_text(self.text)}'


def _cell(cell: object) -> str:
    return str(cell) if isinstance(cell, Bar) else html_text(cell)
