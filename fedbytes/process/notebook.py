"""Whether this process serves a notebook, and HTML shown in it."""

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any


def is_notebook() -> bool:
    """Return whether a kernel runs this code; IPython on a terminal is none."""
    ipython: Any = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


def display_html(html: str) -> Callable[[str], None]:
    """Show HTML below the cell, and return what shows other HTML in its place."""
    shown: Any = import_module("IPython.display")
    handle = shown.display(shown.HTML(html), display_id=True)

    def update(other: str) -> None:
        handle.update(shown.HTML(other))

    return update


def show_figures(shell: Any = None) -> None:
    """Let a notebook show figures that pyplot did not make; how it shows pyplot's stays.

    Args:
        shell: IPython's; the running one by default.
    """
    from matplotlib.figure import Figure

    running: Any = shell or import_module("IPython").get_ipython()
    known = running.display_formatter.formatters
    if not any(Figure in known[f"image/{kind}"] for kind in ("png", "svg+xml", "jpeg")):
        tools: Any = import_module("IPython.core.pylabtools")
        tools.select_figure_formats(running, {"png"})
