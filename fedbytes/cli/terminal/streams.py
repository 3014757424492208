"""Standard output and error that take any text, wherever they go."""

import codecs
import io
import os
import sys
import unicodedata
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.cells import cell_len

ERRORS = "fedbytes.spelled"
"""The name of the handler of characters that an encoding lacks."""
_SPELLED = {
    "≥": ">=", "≤": "<=", "±": "+-", "−": "-", "–": "-", "—": "-", "×": "x", "·": ".",
    "…": "...", "α": "alpha", "σ": "sigma", "ρ": "rho", "∞": "inf", "→": "->",
    "“": '"', "”": '"', "‘": "'", "’": "'",
}  # fmt: skip


def open_streams() -> None:
    """Make standard output and error take any text, and outlive whoever reads them.

    A character that the encoding lacks is spelled, loses its accent, or is `?`. A reader that has
    gone (`| head`) or a full disk ends the output and not the command.
    """
    codecs.register_error(ERRORS, _spell)
    _fill_closed_streams()
    sys.stdout = _lasting(sys.stdout, ERRORS)
    sys.stderr = _lasting(sys.stderr, "backslashreplace")


def _spell(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_SPELLED.get(char) or _without_accent(char) for char in lacking), error.end


def _without_accent(char: str) -> str:
    """Return é as e; a question mark for each column of what is no letter with an accent."""
    plain = unicodedata.normalize("NFD", char)[:1]
    return plain if plain.isascii() else "?" * max(cell_len(char), 1)


def _fill_closed_streams() -> None:
    """Open the null device for streams that the caller closed: files would get their numbers."""
    if sys.stdout is not None and sys.stderr is not None:
        return
    with suppress(OSError):
        while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
            pass
        os.close(number)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            null = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
            setattr(sys, name, null)


def _lasting(stream: Any, errors: str) -> Any:
    if type(stream) is not io.TextIOWrapper:  # a test's, or a notebook's
        return stream
    encoding, buffered = stream.encoding, stream.line_buffering
    stream.flush()
    return _LastingStream(stream.detach(), encoding, errors, line_buffering=buffered)


class _LastingStream(io.TextIOWrapper):
    """A stream that is silent once it cannot be written to."""

    def write(self, text: str, /) -> int:
        try:
            return super().write(text)
        except OSError as error:
            self._fall_silent(error)
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            self._fall_silent(error)

    def _fall_silent(self, error: OSError) -> None:
        """Send what comes to the null device; say why, unless the reader only had enough."""
        with suppress(OSError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self.fileno())
            os.close(null)
        with suppress(OSError):
            super().flush()
        if not isinstance(error, BrokenPipeError) and self is not sys.stderr:
            sys.stderr.write(f"warning: cannot write to standard output: {error.strerror}\n")
