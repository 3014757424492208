import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from fedbytes.plots.drawing.headline import describe_runs
from fedbytes.plots.drawing.promised_methods import panels_of_relations, promises_as_methods
from fedbytes.plots.method_looks import LineStyle, assign_line_styles
from fedbytes.plots.number_axis import drawn_values, format_bytes_axis, on_log_axis
from fedbytes.plots.store_figure import FIGURES, FigureOptions, StoreFigure
from fedbytes.plots.style import (
    INK,
    add_headline,
    add_legend,
    add_note,
    fit_columns,
    label_bottom,
    make_panels,
    name_values,
)
from fedbytes.plots.svg_marks import mark
from fedbytes.plots.tables.comparison import Comparison, Setting, compare_codecs
from fedbytes.plots.tables.store_tables import NothingToDrawError, Tables

_STRICT, _LAX = 0.15, 0.85
"""Ends of the colour map that the least and the largest epsilon have."""


@FIGURES.register("epsilon")
@dataclass(frozen=True)
class MetricByEpsilon(StoreFigure):
    """The metric against bytes, of each method in the colour of what it promises."""

    title = "{metric} against bytes, by epsilon"
    caption = (
        "The model's quality for the bytes sent so far. Colour is the whole run's epsilon: the "
        "darker, the less can be told of one client (or text); black promises nothing. Colours "
        "compare within a panel: hiding that a client is there (add/remove) is not hiding which "
        "one is (replace-one)."
    )
    order = 56

    def rows(self, tables: Tables, options: FigureOptions) -> pd.DataFrame:
        """Return each run's final value, epsilon and bytes."""
        comparison = compare_codecs(_private(tables), options.metric, options.baseline)
        made = [
            comparison.final(setting).assign(setting=setting.title)
            for setting in comparison.settings
        ]
        columns = [
            "setting",
            "codec",
            "promise",
            "relation",
            "seed",
            "epsilon",
            "total_bytes",
            "value",
        ]
        found = pd.concat(made, ignore_index=True)
        return found.reindex(columns=columns).sort_values(columns[:5], ignore_index=True)

    def _draw(self, tables: Tables, options: FigureOptions) -> Figure:
        shown = _private(tables)
        comparison = compare_codecs(shown, options.metric, options.baseline)
        spent = [x for s in comparison.settings for x in s.rows["total_bytes"] if x > 0]
        if not on_log_axis(spent):
            raise NothingToDrawError("no run has sent a byte")
        styles = _styles(comparison, shown.results)
        panels = panels_of_relations(comparison)
        columns = fit_columns(len(panels), 2)
        titles = [panel.title for panel in panels]
        figure, axes = make_panels(titles, columns=columns, sharey=True)
        for axis, panel in zip(axes, panels, strict=True):
            for method in comparison.present(panel):
                mean = _mean(comparison, panel, method)
                values = drawn_values(mean[comparison.metric.name], comparison.metric.scale)
                style = styles[method]
                (line,) = axis.plot(mean["total_bytes"], values, color=style.color,
                                    marker=style.marker, linestyle=style.linestyle)  # fmt: skip
                mark(line, method)
            format_bytes_axis(axis, min(spent), max(spent))
        label_bottom(axes, "Bytes sent, both ways, all clients", columns)
        name_values(figure, comparison.metric.label)
        add_legend(figure, [styles[method].handle(method) for method in styles])
        add_headline(figure, describe_runs(shown, comparison))
        add_note(figure, _describe(comparison, shown.results))
        return figure


def _private(tables: Tables) -> Tables:
    """Return the tables with promises as methods.

    Raises:
        NothingToDrawError: if none of them has an epsilon.
    """
    finished = tables.finished()
    if "epsilon" not in finished or not np.isfinite(finished["epsilon"]).any():
        raise NothingToDrawError("no run promises differential privacy: set privacy.name=dp")
    return promises_as_methods(tables)


def _epsilons(results: pd.DataFrame) -> dict[str, float]:
    """Return the epsilon of each method that has one: the largest that a run of it ends with."""
    found = results.groupby("codec")["epsilon"].max()
    return {str(method): float(value) for method, value in found.items() if value > 0}


def _styles(comparison: Comparison, results: pd.DataFrame) -> dict[str, LineStyle]:
    """Return a look per method: marker and dashes of its own, the colour of its epsilon."""
    epsilons = _epsilons(results)
    logs = [math.log(value) for value in epsilons.values()]
    low, width = min(logs), max(max(logs) - min(logs), 1e-9)
    plain = assign_line_styles(comparison.codecs, comparison.baseline)
    found = {}
    for method in sorted(comparison.codecs, key=lambda one: -epsilons.get(one, math.inf)):
        look, colour = plain[method], INK
        if method in epsilons:
            place = (math.log(epsilons[method]) - low) / width
            colour = to_hex(colormaps["viridis"](_STRICT + (_LAX - _STRICT) * place))
        found[method] = LineStyle(colour, look.marker, look.linestyle)
    return found


def _mean(comparison: Comparison, setting: Setting, method: str) -> pd.DataFrame:
    rows = setting.rows[(setting.rows["codec"] == method) & (setting.rows["total_bytes"] > 0)]
    columns = ["total_bytes", comparison.metric.name]
    return rows.groupby("round")[columns].mean().dropna()


def _describe(comparison: Comparison, results: pd.DataFrame) -> str:
    counts = {
        int(n) for s in comparison.settings for n in s.rows.groupby("codec")["seed"].nunique()
    }
    seeds = str(min(counts)) if len(counts) == 1 else f"{min(counts)} to {max(counts)}"
    return (
        f"Lines: mean over {seeds} seed{'' if seeds == '1' else 's'} at equal rounds. Epsilon at "
        f"the end: {_list_epsilons(results)}; delta, neighbours and accountant are in each run's "
        "label."
    )


def _list_epsilons(results: pd.DataFrame) -> str:
    """Return the epsilons of all methods by what they are of, such as `2, 8 (add/remove)`."""
    private = results[results["epsilon"] > 0]
    said = []
    for key, rows in private.groupby("relation"):
        relation = str(key)
        values = sorted({round(value, 2) for value in _epsilons(rows).values()})
        words = ", ".join(f"{value:g}" for value in values)
        said.append(f"{words} ({relation})" if relation else words)
    return "; ".join(said)
