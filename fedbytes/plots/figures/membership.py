from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fedbytes.plots.drawing.headline import describe_runs
from fedbytes.plots.drawing.highlights import choose_highlights
from fedbytes.plots.drawing.points.membership_points import (
    MembershipLook,
    last_measured,
    membership_looks,
    promised,
)
from fedbytes.plots.drawing.promised_methods import promises_as_methods
from fedbytes.plots.method_looks import FAINT, assign_line_styles
from fedbytes.plots.store_figure import FIGURES, FigureOptions, StoreFigure
from fedbytes.plots.style import (
    INK,
    add_headline,
    add_legend,
    add_note,
    label_bottom,
    make_panels,
    name_values,
    points,
)
from fedbytes.plots.tables.comparison import Comparison, Setting, compare_codecs
from fedbytes.plots.tables.store_tables import NothingToDrawError, Tables
from fedbytes.privacy import most_hits

_LEAST = 1e-3


@FIGURES.register("membership")
@dataclass(frozen=True)
class Membership(StoreFigure):
    """Members found against false alarms, on log axes, under the curve of differential privacy."""

    title = "Membership: members found against false alarms"
    caption = (
        "How many of the texts that clients train on an observer finds, at each share of other "
        "texts that it takes for some. Guessing is the diagonal; dotted is the most that "
        "differential privacy allows, where runs have some."
    )
    order = 59
    shows_metric: ClassVar[bool] = False

    def _draw(self, tables: Tables, options: FigureOptions) -> Figure:
        tables = promises_as_methods(tables)
        looks = membership_looks(tables.results)
        if not looks:
            raise NothingToDrawError(
                "no run audited membership: set set_aside=0.5 and audit.name=calibrated"
            )
        audited = tables.results[[f"auc_{look.column}" for look in looks]].notna().any(axis=1)
        shown = replace(tables, results=tables.results[audited])
        comparison = compare_codecs(shown, None, options.baseline)
        panels = [(look, setting) for look in looks for setting in comparison.settings]
        several = len(comparison.settings) > 1
        titles = [look.title + f"\n{s.title}" * several for look, s in panels]
        figure, axes = make_panels(titles, columns=2, sharey=True)
        coloured = choose_highlights(comparison, options.highlight)
        for axis, (look, setting) in zip(axes, panels, strict=True):
            _draw_panel(axis, comparison, look, setting, coloured, shown.runs)
        label_bottom(axes, "False alarms (share of other texts)", 2)
        name_values(figure, "Members found (share)")
        styles = assign_line_styles(comparison.codecs, comparison.baseline)
        add_legend(figure, [styles[method].handle(method) for method in coloured])
        add_headline(figure, describe_runs(shown, comparison))
        add_note(figure, _note(comparison))
        return figure


def _draw_panel(
    axis: Axes,
    comparison: Comparison,
    look: MembershipLook,
    setting: Setting,
    coloured: Sequence[str],
    runs: pd.DataFrame,
) -> None:
    styles = assign_line_styles(comparison.codecs, comparison.baseline)
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlim(min(look.rates) / 1.3, 1)
    axis.set_ylim(_LEAST, 1.2)
    guess = np.geomspace(_LEAST, 1, 50)
    axis.plot(guess, guess, color=INK, linewidth=points(0.8), linestyle=(0, (4, 3)))
    for method in reversed(comparison.present(setting)):
        own = setting.rows[setting.rows["codec"] == method]
        rows = last_measured(own, f"auc_{look.column}")
        if rows.empty:
            continue
        hits = [max(one.mean, _LEAST) for one in look.hits(rows)]
        style = styles[method]
        if method in coloured:
            axis.plot(look.rates, hits, color=style.color, marker=style.marker,
                      linestyle=style.linestyle, label=method)  # fmt: skip
        else:
            axis.plot(look.rates, hits, color=FAINT, linewidth=points(0.8), zorder=1.2)
        bound = promised(rows, runs, of_messages=look.column.endswith("_message"))
        if bound is not None:
            axis.plot(guess, most_hits(guess, *bound), color=style.color,
                      linewidth=points(0.9), linestyle=(0, (1, 2)))  # fmt: skip


def _note(comparison: Comparison) -> str:
    counts = {
        int(n) for s in comparison.settings for n in s.rows.groupby("codec")["seed"].nunique()
    }
    least, most = min(counts), max(counts)
    seeds = f"{least}" if least == most else f"{least} to {most}"
    return (
        f"Mean over {seeds} seed{'s' * (most > 1)} in the last audited round. Dashed: guessing. "
        "A share of 0 stands at the lower edge."
    )
