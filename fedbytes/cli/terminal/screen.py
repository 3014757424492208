"""What the command line prints: texts as they are."""

import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.text import Text

from fedbytes.labels import printable, single_line

_WARNINGS = 5  # that are written out


class Screen(Console):
    """A console that prints texts as they are: no markup, no emoji codes, no control characters.

    What is coloured is a `rich.text.Text`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Return a text to print, its control characters as escapes."""
        return super().render_str(printable(text), **options)


def say(*lines: object) -> None:
    """Print lines that are never broken, such as paths."""
    for line in lines:
        Screen().print(str(line), soft_wrap=True)


def warn(lines: Iterable[object]) -> None:
    """Write lines on standard error, as warnings; of many only the first."""
    found = list(lines)
    for line in found[:_WARNINGS]:
        sys.stderr.write(f"warning: {single_line(line)}\n")
    if len(found) > _WARNINGS:
        sys.stderr.write(f"warning: {len(found) - _WARNINGS} more like these\n")


def coloured(word: str, style: str, rest: object = "") -> Text:
    """Return a word in a style, and a text after it as one line."""
    return Text.assemble((single_line(word), style), f" {single_line(rest)}" if rest else "")
