"""What is printed fits every encoding, and outlives its reader."""

import io
import os

import pytest

from fedbytes.cli.terminal import streams
from fedbytes.cli.terminal.streams import ERRORS, open_streams


@pytest.fixture(autouse=True)
def _handler():
    open_streams()


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
    stream = streams._lasting(io.TextIOWrapper(raw, encoding=encoding), ERRORS)
    stream.write("≥ ±5 α ☃☃ 日本 é\ud800")
    stream.flush()
    assert raw.getvalue() == printed


def test_a_reader_that_has_gone_ends_the_output_alone(capsys):
    reads, writes = os.pipe()
    os.close(reads)
    stream = streams._lasting(io.TextIOWrapper(os.fdopen(writes, "wb"), encoding="utf-8"), ERRORS)
    for _ in range(3):
        stream.write("x" * 100_000)
        stream.flush()
    stream.close()
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has a full device")  # noqa: PTH110
def test_a_full_disk_under_the_output_is_said_once(capsys):
    stream = streams._lasting(open("/dev/full", "w", encoding="utf-8"), ERRORS)  # noqa: SIM115, PTH123
    for _ in range(3):
        stream.write("x" * 100_000)
        stream.flush()
    stream.close()
    assert capsys.readouterr().err.count("cannot write to standard output") == 1
