"""Figures, tables and the report, drawn from the tables of a store alone.

Names load on first use.
"""

from typing import TYPE_CHECKING

from fedbytes.process.lazy_face import lazy_face

if TYPE_CHECKING:
    from fedbytes.plots.inference.bytes_ratio import BytesRatio as BytesRatio
    from fedbytes.plots.inference.bytes_ratio import compare_bytes as compare_bytes
    from fedbytes.plots.inference.clustered_line import fit_clustered_line as fit_clustered_line
    from fedbytes.plots.inference.holm import adjust_holm as adjust_holm
    from fedbytes.plots.inference.paired_tests import PairedTests as PairedTests
    from fedbytes.plots.inference.paired_tests import compare_crossed as compare_crossed
    from fedbytes.plots.inference.paired_tests import compare_with_margin as compare_with_margin
    from fedbytes.plots.inference.reach_profile import profile_reached as profile_reached
    from fedbytes.plots.inference.seeds_needed import compute_power as compute_power
    from fedbytes.plots.inference.seeds_needed import count_seeds as count_seeds
    from fedbytes.plots.inference.sign_flips import flip_signs as flip_signs
    from fedbytes.plots.inference.target_hits import Hit as Hit
    from fedbytes.plots.inference.target_hits import check_target as check_target
    from fedbytes.plots.inference.target_hits import find_hit as find_hit
    from fedbytes.plots.inference.text_bootstrap import bootstrap_texts as bootstrap_texts
    from fedbytes.plots.inference.variance_components import split_variance as split_variance
    from fedbytes.plots.inference.verdict_words import Verdict as Verdict
    from fedbytes.plots.inference.verdict_words import decide as decide
    from fedbytes.plots.method_looks import LineStyle as LineStyle
    from fedbytes.plots.method_looks import assign_line_styles as assign_line_styles
    from fedbytes.plots.number_axis import format_bytes_axis as format_bytes_axis
    from fedbytes.plots.number_words import format_bytes as format_bytes
    from fedbytes.plots.output.latex import to_latex as to_latex
    from fedbytes.plots.output.render import Drawing as Drawing
    from fedbytes.plots.output.render import draw_all as draw_all
    from fedbytes.plots.output.render import drawings as drawings
    from fedbytes.plots.output.report import write_report as write_report
    from fedbytes.plots.output.summary import summary as summary
    from fedbytes.plots.output.summary import to_csv as to_csv
    from fedbytes.plots.output.summary import to_markdown as to_markdown
    from fedbytes.plots.store_figure import FIGURES as FIGURES
    from fedbytes.plots.store_figure import FigureOptions as FigureOptions
    from fedbytes.plots.store_figure import StoreFigure as StoreFigure
    from fedbytes.plots.store_figure import figure_names as figure_names
    from fedbytes.plots.store_figure import make_figure as make_figure
    from fedbytes.plots.style import add_legend as add_legend
    from fedbytes.plots.style import add_note as add_note
    from fedbytes.plots.style import make_panels as make_panels
    from fedbytes.plots.style import save_figure as save_figure
    from fedbytes.plots.svg_marks import mark as mark
    from fedbytes.plots.tables.comparison import Comparison as Comparison
    from fedbytes.plots.tables.comparison import Metric as Metric
    from fedbytes.plots.tables.comparison import Setting as Setting
    from fedbytes.plots.tables.comparison import compare_codecs as compare_codecs
    from fedbytes.plots.tables.kept.kept_rows import write_data as write_data
    from fedbytes.plots.tables.read_store import read_tables as read_tables
    from fedbytes.plots.tables.statistics import Interval as Interval
    from fedbytes.plots.tables.statistics import geometric_interval as geometric_interval
    from fedbytes.plots.tables.statistics import t_interval as t_interval
    from fedbytes.plots.tables.store_tables import NothingToDrawError as NothingToDrawError
    from fedbytes.plots.tables.store_tables import Tables as Tables
    from fedbytes.plots.testing.figure_contract import check_figure as check_figure
    from fedbytes.plots.testing.sample_tables import sample_tables as sample_tables
    from fedbytes.plots.verdicts.power_table import measure_power as measure_power
    from fedbytes.plots.verdicts.question import Question as Question
    from fedbytes.plots.verdicts.question import ask as ask
    from fedbytes.plots.verdicts.read_rows import read_store_or_rows as read_store_or_rows
    from fedbytes.plots.verdicts.target_ratios import measure_hits as measure_hits
    from fedbytes.plots.verdicts.verdict_table import measure_verdicts as measure_verdicts
    from fedbytes.plots.verdicts.verdict_text import verdict_text as verdict_text

__getattr__, __dir__, __all__ = lazy_face(__name__)
