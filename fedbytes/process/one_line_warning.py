"""Warnings for users: one line on standard error, each once."""

import sys
import warnings
from typing import Any


class OneLineWarning(UserWarning):
    """A warning that says all in its message: where it was raised in the code is of no use."""


def show_in_one_line() -> None:
    """Write these warnings as one line without a place in the code, each once; others as usual."""
    usual, shown = warnings.showwarning, set[str]()

    def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        if not issubclass(category, OneLineWarning):
            usual(message, category, *where, **more)
        elif str(message) not in shown:
            shown.add(str(message))
            sys.stderr.write(f"warning: {message}\n")

    warnings.showwarning = show
