"""Every run of one setting as a line of its own."""

import numpy as np
from matplotlib.figure import Figure

from fedbytes.plots.method_looks import assign_line_styles
from fedbytes.plots.number_axis import drawn_values, format_bytes_axis, on_log_axis
from fedbytes.plots.number_words import format_bytes
from fedbytes.plots.store_figure import FigureOptions
from fedbytes.plots.style import add_legend, make_panels, name_values, points, styled
from fedbytes.plots.svg_marks import mark
from fedbytes.plots.tables.comparison import compare_codecs
from fedbytes.plots.tables.shown_labels import shorten_labels
from fedbytes.plots.tables.store_tables import NothingToDrawError, Tables


@styled
def draw_seed_curves(tables: Tables, options: FigureOptions, runs: set[str]) -> Figure:
    """Draw the metric of each of these runs against its bytes.

    Raises:
        NothingToDrawError: if none has sent a byte.
    """
    shown, names = shorten_labels(tables)
    baseline = names.get(options.baseline or "", options.baseline)
    comparison = compare_codecs(shown, options.metric, baseline)
    styles = assign_line_styles(comparison.codecs, comparison.baseline)
    metric, rows = comparison.metric, shown.results[shown.results["run"].isin(runs)]
    figure, (axis,) = make_panels([""], height=2.8, columns=1)
    drawn, ends = set(), []
    for method in comparison.codecs[::-1]:
        for seed, run in rows[rows["codec"] == method].groupby("seed"):
            run = run[run["total_bytes"] > 0].sort_values("round")
            values = drawn_values(run[metric.name], metric.scale)
            spent = run["total_bytes"].to_numpy(dtype=float)
            known = np.isfinite(values) & np.isfinite(spent)
            if not known.any():
                continue
            style = styles[method]
            (line,) = axis.plot(spent[known], values[known], color=style.color, marker=style.marker,
                                linewidth=points(0.9), markersize=points(2.6))  # fmt: skip
            numbers = zip(run["round"][known], spent[known], values[known], strict=True)
            mark(line, method, [
                f"{method}, seed {seed}: round {number}, {format_bytes(paid)}, {value:.4g}, n = 1"
                for number, paid, value in numbers
            ])  # fmt: skip
            drawn.add(method)
            ends += [spent[known][0], spent[known][-1]]
    if not on_log_axis(ends):
        raise NothingToDrawError("no run has sent a byte")
    format_bytes_axis(axis, min(on_log_axis(ends)), max(on_log_axis(ends)), most=6)
    axis.set_xlabel("Bytes sent, both ways, all clients")
    name_values(figure, metric.label)
    add_legend(figure, [styles[m].handle(m) for m in comparison.codecs if m in drawn])
    return figure
