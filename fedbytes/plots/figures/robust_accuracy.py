from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from matplotlib.figure import Figure

from fedbytes.plots.drawing.headline import describe_runs
from fedbytes.plots.drawing.highlights import choose_highlights
from fedbytes.plots.drawing.points.seed_spread import describe_spread, draw_spread
from fedbytes.plots.method_looks import FAINT, assign_line_styles
from fedbytes.plots.number_axis import drawn_values, format_bytes_axis, on_log_axis
from fedbytes.plots.store_figure import FIGURES, FigureOptions, StoreFigure
from fedbytes.plots.style import (
    add_headline,
    add_legend,
    add_note,
    label_bottom,
    make_panels,
    name_values,
    points,
)
from fedbytes.plots.tables.comparison import Comparison, attacked_metrics, compare_codecs
from fedbytes.plots.tables.store_tables import NothingToDrawError, Tables


@FIGURES.register("robust_accuracy")
@dataclass(frozen=True)
class RobustAccuracy(StoreFigure):
    """Accuracy on texts as they are, and under each attack on them, against bytes."""

    title = "Robust accuracy against bytes"
    caption = (
        "How many test texts keep their class when an attack changes them, for the bytes sent so "
        "far, beside all test texts as they are."
    )
    order = 58
    shows_metric: ClassVar[bool] = False

    def _draw(self, tables: Tables, options: FigureOptions) -> Figure:
        attacked = attacked_metrics(tables)
        if not attacked:
            raise NothingToDrawError(
                "no run attacked its test texts: set audit.name=text_attacks and audit.attacks"
            )
        under = tables.finished()[[metric.name for metric in attacked]].notna().any(axis=1)
        shown = replace(tables, results=tables.finished()[under])
        # Attacks may have come in the last round alone; clean accuracy is of all evaluated ones.
        tested = tables.finished()[tables.finished()["run"].isin(shown.results["run"])]
        comparisons = [
            compare_codecs(replace(tables, results=tested), "accuracy", options.baseline),
            *(compare_codecs(shown, metric.name, options.baseline) for metric in attacked),
        ]
        return _draw_panels(shown, comparisons, options.highlight)


def _draw_panels(
    tables: Tables, comparisons: Sequence[Comparison], highlight: Sequence[str]
) -> Figure:
    """Draw a panel for each metric and setting; all have one axis of values."""
    first = comparisons[0]
    panels = [(comparison, s) for comparison in comparisons for s in comparison.settings]
    spent = [s.rows.loc[s.rows["total_bytes"] > 0, "total_bytes"] for _, s in panels]
    if not on_log_axis(value for column in spent for value in column):
        raise NothingToDrawError("no run has sent a byte")
    titles = [
        comparison.metric.label.removesuffix(" (%)")
        + (f"\n{setting.title}" if len(comparison.settings) > 1 else "")
        for comparison, setting in panels
    ]
    figure, axes = make_panels(titles, columns=2, sharey=True)
    coloured = choose_highlights(first, highlight)
    styles = assign_line_styles(first.codecs, first.baseline)
    for axis, (comparison, setting) in zip(axes, panels, strict=True):
        for method in reversed(comparison.present(setting)):
            rows = setting.rows[
                (setting.rows["codec"] == method) & (setting.rows["total_bytes"] > 0)
            ]
            mean = rows.groupby("round")[["total_bytes", comparison.metric.name]].mean().dropna()
            values = drawn_values(mean[comparison.metric.name], comparison.metric.scale)
            style = styles[method]
            if method in coloured:
                axis.plot(mean["total_bytes"], values, color=style.color, marker=style.marker,
                          linestyle=style.linestyle, label=method)  # fmt: skip
                if len(mean):
                    final = rows[rows["round"] == mean.index[-1]][comparison.metric.name]
                    spent_last = float(mean["total_bytes"].iloc[-1])
                    draw_spread(axis, spent_last, [*final], comparison.metric, style.color)
            else:  # with marks, since a method may have one point
                axis.plot(mean["total_bytes"], values, color=FAINT, linewidth=points(0.8),
                          marker=".", label=method, zorder=1.2)  # fmt: skip
        low = min(float(np.min(column)) for column in spent if len(column))
        high = max(float(np.max(column)) for column in spent if len(column))
        format_bytes_axis(axis, low, high)
    label_bottom(axes, "Bytes sent, both ways, all clients", 2)
    name_values(figure, "Test texts whose class is found (%)")
    add_legend(figure, [styles[method].handle(method) for method in coloured])
    add_headline(figure, describe_runs(tables, first))
    seeds = sorted(
        {int(n) for s in first.settings for n in s.rows.groupby("codec")["seed"].nunique()}
    )
    count = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    note = f"Lines: mean over {count} seed{'' if seeds == [1] else 's'} at equal rounds"
    note += f"; {describe_spread(seeds)}, at the last one" if seeds[-1] > 1 else ""
    grey = [method for method in first.codecs if method not in coloured]
    add_note(figure, note + (f"; grey: {', '.join(grey)}." if grey else "."))
    return figure
