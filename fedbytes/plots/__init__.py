"""Figures, tables and the report, drawn from the tables of a store alone.

Names load on first use.
"""

from typing import TYPE_CHECKING

from fedbytes.process.lazy_face import lazy_face

if TYPE_CHECKING:
    from fedbytes.plots.output.render import draw_all as draw_all
    from fedbytes.plots.output.render import drawings as drawings
    from fedbytes.plots.output.report import write_report as write_report
    from fedbytes.plots.tables.read_store import read_tables as read_tables
    from fedbytes.plots.tables.store_tables import NothingToDrawError as NothingToDrawError
    from fedbytes.plots.tables.store_tables import Tables as Tables
    from fedbytes.plots.tables.summary import summary as summary
    from fedbytes.plots.tables.summary import to_csv as to_csv
    from fedbytes.plots.tables.summary import to_latex as to_latex
    from fedbytes.plots.tables.summary import to_markdown as to_markdown

__getattr__, __dir__, __all__ = lazy_face(__name__)
