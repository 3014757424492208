"""What is printed has no markup but ours, fits every encoding, and outlives its reader."""

import io
import os

import pytest
from rich.table import Table

from fedbytes.cli import screen
from fedbytes.cli.screen import ERRORS, Screen, coloured, open_streams


@pytest.fixture(autouse=True)
def _handler():
    open_streams()


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


@pytest.mark.parametrize(
    ("encoding", "printed"),
    [
        ("ascii", b">= +-5 alpha ?? ???? e?"),
        ("latin-1", b">= \xb15 alpha ?? ???? \xe9?"),
        ("cp1252", b">= \xb15 alpha ?? ???? \xe9?"),
        ("utf-8", "≥ ±5 α ☃☃ 日本 é".encode() + b"?"),
    ],
)
def test_what_an_encoding_lacks_is_spelled_or_replaced(encoding, printed):
    raw = io.BytesIO()
    stream = screen._lasting(io.TextIOWrapper(raw, encoding=encoding), ERRORS)
    stream.write("≥ ±5 α ☃☃ 日本 é\ud800")
    stream.flush()
    assert raw.getvalue() == printed


def test_a_reader_that_has_gone_ends_the_output_alone(capsys):
    reads, writes = os.pipe()
    os.close(reads)
    stream = screen._lasting(io.TextIOWrapper(os.fdopen(writes, "wb"), encoding="utf-8"), ERRORS)
    for _ in range(3):
        stream.write("x" * 100_000)
        stream.flush()
    stream.close()
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has a full device")  # noqa: PTH110
def test_a_full_disk_under_the_output_is_said_once(capsys):
    stream = screen._lasting(open("/dev/full", "w", encoding="utf-8"), ERRORS)  # noqa: SIM115, PTH123
    for _ in range(3):
        stream.write("x" * 100_000)
        stream.flush()
    stream.close()
    assert capsys.readouterr().err.count("cannot write to standard output") == 1
