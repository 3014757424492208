"""What is printed has no markup but ours, and no control characters."""

import io

import pytest
from rich.table import Table

from fedbytes.cli.terminal.screen import Screen, coloured, warn


@pytest.mark.parametrize(
    "text", ["[bold]x[/bold]", "[red]", "[/]", ":smile:", r"\[a]", "[link=x]y"]
)
def test_texts_are_printed_as_they_are(text):
    console = Screen(file=io.StringIO(), width=80, force_terminal=True, color_system="standard")
    table = Table(text, title=text)
    table.add_row(text)
    console.print(text)
    console.print(table)
    console.print(coloured("done", "green", text))
    printed = console.file.getvalue()
    assert printed.count(text) == 5
    assert "\x1b[32mdone\x1b[0m " in printed


def test_control_characters_are_shown_and_not_obeyed():
    console = Screen(file=io.StringIO(), width=80)
    console.print("a\x1b]0;title\x07b\nsecond \u202eline")
    assert console.file.getvalue() == "a\\x1b]0;title\\x07b\nsecond \\u202eline\n"


def test_of_many_warnings_the_first_are_written(capsys):
    warn(f"number {i}\n\x1b[31m" for i in range(9))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == r"warning: number 0 \x1b[31m"
    assert (len(lines), lines[-1]) == (6, "warning: 4 more like these")
