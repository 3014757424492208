"""Text files, decoded strictly: an encoding is never guessed."""

import codecs
from collections.abc import Iterator
from pathlib import Path

UTF8 = "utf-8"
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def check_encoding(task: str, encoding: str) -> None:
    """Check the name of an encoding.

    Raises:
        ValueError: if Python knows no text encoding of this name.
    """
    try:
        "".encode(encoding)
    except (LookupError, ValueError) as error:
        raise ValueError(
            f"{task}: encoding {encoding!r} is unknown: give one such as utf-8, utf-16, cp1252 "
            "or latin-1"
        ) from error


def read_text(path: Path, encoding: str = UTF8) -> str:
    """Return a file's text without its byte order mark; all line ends are line feeds.

    Raises:
        ValueError: if it cannot be read, or is not in this encoding; the message has the line.
    """
    return "".join(read_lines(path, encoding)).replace("\r\n", "\n").replace("\r", "\n")


def read_lines(path: Path, encoding: str = UTF8) -> Iterator[str]:
    r"""Yield a file's lines with their ends (`\n`, `\r\n` or `\r`), without byte order mark.

    Raises:
        ValueError: as `read_text`.
    """
    number = 0
    try:
        with path.open(encoding=encoding, newline="") as file:
            for number, line in enumerate(file, 1):
                if "\0" in line:
                    raise ValueError(_zero_line(path, number, encoding))
                yield line.removeprefix("\ufeff") if number == 1 else line
    except UnicodeError as error:
        raise ValueError(_undecodable(path, encoding)) from error
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from error


def _zero_line(path: Path, line: int, encoding: str) -> str:
    wide = _wide_encoding(path.read_bytes()) if encoding == UTF8 else None
    hint = "" if wide is None else f": if it is UTF-16 without a mark, set task.encoding={wide}"
    return f"{path}, line {line}: there is a zero character, which text files do not have{hint}"


def _wide_encoding(data: bytes) -> str | None:
    """Return the kind of UTF-16 that text without a mark seems to be, by where its zeros are."""
    sample = data[:4096]
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if max(even, odd) < len(sample) / 8:
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def _undecodable(path: Path, encoding: str) -> str:
    """Return what to say of a file that is not in this encoding: where, and what it may be."""
    data = path.read_bytes()
    called = "UTF-8" if encoding == UTF8 else encoding
    mark = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    guess = mark or _wide_encoding(data)
    if encoding == UTF8 and guess is not None:
        sign = f"it begins with the mark of {guess.upper()}" if mark else f"it looks like {guess}"
        return (
            f"{path} is not {called} text: {sign}: save it as UTF-8, or set task.encoding={guess}"
        )
    try:
        data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        where = f"line {line} has the byte 0x{data[error.start]:02x}" if data else "it is empty"
    except UnicodeError as error:
        where = (str(error).splitlines() or [""])[0]
    else:
        where = "it changed while it was read"
    return (
        f"{path} is not {called} text ({where}): save it as UTF-8, or set task.encoding to what "
        "it is, such as cp1252 or latin-1"
    )
