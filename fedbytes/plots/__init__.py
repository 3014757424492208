"""Figures, tables and the report, drawn from a result store's tables alone."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fedbytes.plots.render import draw_all, drawings
    from fedbytes.plots.report import write_report
    from fedbytes.plots.summary import to_csv, to_latex, to_markdown
    from fedbytes.plots.tables import NothingToDrawError, Tables

__all__ = [
    "NothingToDrawError",
    "Tables",
    "draw_all",
    "drawings",
    "to_csv",
    "to_latex",
    "to_markdown",
    "write_report",
]

# `summary` is left out: the module of that name would hide the function once it is imported.
_HOME = {
    "NothingToDrawError": "tables",
    "Tables": "tables",
    "draw_all": "render",
    "drawings": "render",
    "to_csv": "summary",
    "to_latex": "summary",
    "to_markdown": "summary",
    "write_report": "report",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use: matplotlib and pandas are slow to load."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
