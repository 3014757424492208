"""Figures, tables and the report, drawn from the tables of a store alone.

Names load on first use.
"""

from typing import TYPE_CHECKING

from fedbytes.process.lazy_face import lazy_face

if TYPE_CHECKING:
    from fedbytes.plots.number_axis import format_bytes_axis as format_bytes_axis
    from fedbytes.plots.number_words import format_bytes as format_bytes
    from fedbytes.plots.output.render import Drawing as Drawing
    from fedbytes.plots.output.render import draw_all as draw_all
    from fedbytes.plots.output.render import drawings as drawings
    from fedbytes.plots.output.report import write_report as write_report
    from fedbytes.plots.store_figure import FIGURES as FIGURES
    from fedbytes.plots.store_figure import FigureOptions as FigureOptions
    from fedbytes.plots.store_figure import StoreFigure as StoreFigure
    from fedbytes.plots.store_figure import figure_names as figure_names
    from fedbytes.plots.store_figure import make_figure as make_figure
    from fedbytes.plots.style import LineStyle as LineStyle
    from fedbytes.plots.style import add_legend as add_legend
    from fedbytes.plots.style import add_note as add_note
    from fedbytes.plots.style import assign_line_styles as assign_line_styles
    from fedbytes.plots.style import make_panels as make_panels
    from fedbytes.plots.style import save_figure as save_figure
    from fedbytes.plots.tables.comparison import Comparison as Comparison
    from fedbytes.plots.tables.comparison import Metric as Metric
    from fedbytes.plots.tables.comparison import Setting as Setting
    from fedbytes.plots.tables.comparison import compare_codecs as compare_codecs
    from fedbytes.plots.tables.read_store import read_tables as read_tables
    from fedbytes.plots.tables.read_store import write_data as write_data
    from fedbytes.plots.tables.statistics import Interval as Interval
    from fedbytes.plots.tables.statistics import geometric_interval as geometric_interval
    from fedbytes.plots.tables.statistics import t_interval as t_interval
    from fedbytes.plots.tables.store_tables import NothingToDrawError as NothingToDrawError
    from fedbytes.plots.tables.store_tables import Tables as Tables
    from fedbytes.plots.tables.summary import summary as summary
    from fedbytes.plots.tables.summary import to_csv as to_csv
    from fedbytes.plots.tables.summary import to_latex as to_latex
    from fedbytes.plots.tables.summary import to_markdown as to_markdown
    from fedbytes.plots.testing.figure_contract import check_figure as check_figure
    from fedbytes.plots.testing.sample_tables import sample_tables as sample_tables

__getattr__, __dir__, __all__ = lazy_face(__name__)
