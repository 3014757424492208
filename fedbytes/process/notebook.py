"""Whether this process serves a notebook, and HTML shown in it."""

import sys
from collections.abc import Callable
from typing import Any


def is_notebook() -> bool:
    """Return whether a kernel runs this code; IPython on a terminal is none."""
    ipython: Any = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


def display_html(html: str) -> Callable[[str], None]:
    """Show HTML below the cell, and return what shows other HTML in its place."""
    import IPython.display as shown

    handle: Any = shown.display(shown.HTML(html), display_id=True)

    def update(other: str) -> None:
        handle.update(shown.HTML(other))

    return update
