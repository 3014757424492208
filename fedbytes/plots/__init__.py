"""Figures, tables and the report, drawn from the tables of a store alone.

Names load on first use.
"""

from typing import TYPE_CHECKING

from fedbytes.process.lazy_face import lazy_face

if TYPE_CHECKING:
    from fedbytes.plots.output.render import draw_all, drawings
    from fedbytes.plots.output.report import write_report
    from fedbytes.plots.tables.read_store import read_tables
    from fedbytes.plots.tables.store_tables import NothingToDrawError, Tables
    from fedbytes.plots.tables.summary import summary, to_csv, to_latex, to_markdown

__all__ = [
    "NothingToDrawError",
    "Tables",
    "draw_all",
    "drawings",
    "read_tables",
    "summary",
    "to_csv",
    "to_latex",
    "to_markdown",
    "write_report",
]

__getattr__, __dir__ = lazy_face(__name__)
