"""The error of the mean of many senders against rate, by kind of codec."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fedbytes.plots.codec_survey.rate_distortion import format_rate_axis, line_options
from fedbytes.plots.drawing.direct_labels import DirectLabel, place_labels
from fedbytes.plots.method_looks import LineStyle, assign_line_styles
from fedbytes.plots.style import add_legend, add_note, make_panels, styled

_RATES = (0.03, 10.0)  # bits per coordinate; casts lie beyond
_FLOOR = 1e-6
_NAMED_AT = 1.05  # bits, a bit and its framing


@styled
def draw_mean_error(rows: pd.DataFrame) -> Figure:
    """Draw the NMSE of the mean against rate, one panel per number of senders and correlation.

    Each codec is a point, and each kind's best at up to a rate are joined.

    Args:
        rows: columns `clients`, `correlation`, `bits_per_coordinate`, `mean_nmse`, and `kind`.
    """
    shown = rows[rows["bits_per_coordinate"].between(*_RATES) & (rows["mean_nmse"] > _FLOOR)]
    kinds = sorted(shown["kind"].unique())
    styles = assign_line_styles(kinds, None)
    counts = sorted(shown["clients"].unique())
    ends = list(dict.fromkeys((counts[0], counts[-1])))
    pairs = [(n, rho) for n in ends for rho in sorted(shown["correlation"].unique())]
    titles = [f"{n} senders, correlation {rho:g}" for n, rho in pairs]
    across = max(len(pairs) // len(ends), 1)
    figure, axes = make_panels(titles, height=2.5, columns=across, sharex=True, sharey=True)
    for axis, (n, rho) in zip(axes, pairs, strict=True):
        part = shown[(shown["clients"] == n) & (shown["correlation"] == rho)]
        for kind in kinds:
            _kind(axis, part[part["kind"] == kind], styles[kind])
        axis.set_yscale("log")
        format_rate_axis(axis)
    for axis in axes[:-across]:
        axis.set_xlabel("")
    figure.supylabel("NMSE of the mean")
    add_legend(figure, [styles[kind].handle(kind) for kind in kinds])
    add_note(
        figure,
        "A point is a codec at one setting; lines join the best at up to each rate. Named: each "
        "kind's best at up to one bit.",
    )
    labels = {}
    for axis, (n, rho) in zip(axes, pairs, strict=True):
        part = shown[(shown["clients"] == n) & (shown["correlation"] == rho)]
        part = part[part["bits_per_coordinate"] <= _NAMED_AT]
        best = part.loc[part.groupby("kind")["mean_nmse"].idxmin()] if len(part) else part
        labels[axis] = [
            DirectLabel(
                str(row.get("codec", row["kind"])), float(row["bits_per_coordinate"]),
                float(row["mean_nmse"]), None, styles[row["kind"]].color,
            )
            for row in best.to_dict("records")
        ]  # fmt: skip
    place_labels(figure, labels, 1.2)
    return figure


def _kind(axis: Axes, rows: pd.DataFrame, style: LineStyle) -> None:
    line = rows.sort_values(["bits_per_coordinate", "mean_nmse"])
    axis.plot(
        line["bits_per_coordinate"],
        line["mean_nmse"],
        **(line_options(style) | {"linestyle": "none", "markersize": 3.0, "alpha": 0.45}),
    )
    best = line[line["mean_nmse"] <= line["mean_nmse"].cummin()]
    axis.plot(
        best["bits_per_coordinate"], best["mean_nmse"], **(line_options(style) | {"marker": "none"})
    )
