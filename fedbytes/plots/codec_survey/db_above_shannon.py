"""Distance of codecs to Shannon's bound, in dB against rate; a plot of NMSE would hide it."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fedbytes.plots.codec_survey.rate_distortion import TITLES, format_rate_axis, line_options
from fedbytes.plots.codec_survey.series_labels import label_series
from fedbytes.plots.codec_survey.shannon_bounds import ecsq_curve, shannon_bound
from fedbytes.plots.drawing.direct_labels import DirectLabel, place_labels
from fedbytes.plots.method_looks import INK, LineStyle, assign_line_styles
from fedbytes.plots.style import add_legend, add_note, make_panels, styled

_MOST = 12.0  # dB
_HIGH_RATE = 6.0  # bits; from there on the scalar quantiser stays 1.53 dB above


@styled
def draw_db_above_shannon(rows: pd.DataFrame, note_text: str) -> Figure:
    """Draw dB above Shannon's bound against bits per coordinate, one panel per distribution.

    Args:
        rows: columns `distribution`, `bits_per_coordinate`, `nmse`, `name`, which has a colour,
            and `series`, whose values share a line.
        note_text: a sentence below the panels; those beyond them are named after it.
    """
    rows = rows[rows["nmse"] > 0].copy()
    kinds = [kind for kind in TITLES if kind in set(rows["distribution"])]
    for kind in kinds:
        part = rows["distribution"] == kind
        bound = shannon_bound(kind, rows.loc[part, "bits_per_coordinate"].to_numpy(np.float64))
        rows.loc[part, "gap"] = 10 * np.log10(rows.loc[part, "nmse"] / bound)
    inside = rows[rows["gap"] <= _MOST]
    names = list(dict.fromkeys(inside["name"]))
    styles = assign_line_styles(names, None)
    figure, axes = make_panels([TITLES[kind] for kind in kinds], height=4.0, columns=2, sharey=True)
    limits = inside["bits_per_coordinate"].min() / 1.2, inside["bits_per_coordinate"].max() * 1.2
    for axis, kind in zip(axes, kinds, strict=True):
        _panel(axis, inside[inside["distribution"] == kind], styles)
        _scalar(axis, kind, limits)
        axis.set_ylim(-0.3, _MOST)
    figure.supylabel("dB above Shannon's lower bound")
    dotted = Line2D([], [], color=INK, linestyle=(0, (1, 1)), label="scalar, entropy-coded")
    add_legend(figure, [*(styles[name].handle(name) for name in names), dotted])
    beyond = [name for name in dict.fromkeys(rows["name"]) if name not in styles]
    farther = f" Beyond {_MOST:g} dB: {', '.join(beyond)}." if beyond else ""
    for kind in kinds:
        there = set(inside.loc[inside["distribution"] == kind, "name"])
        gone = [name for name in styles if name not in there]
        farther += f" Beyond it for {TITLES[kind]}: {', '.join(gone)}." if gone else ""
    add_note(figure, note_text + farther)
    labels: dict[Axes, list[DirectLabel]] = {}
    for axis, kind in zip(axes, kinds, strict=True):
        seen = inside[inside["distribution"] == kind]
        labels |= label_series(axis, seen, "gap", "name", styles)
    place_labels(figure, labels, 1.2)
    return figure


def _panel(axis: Axes, rows: pd.DataFrame, styles: dict[str, LineStyle]) -> None:
    for series, part in rows.groupby("series", sort=False):
        line = part.sort_values("bits_per_coordinate")
        axis.plot(
            line["bits_per_coordinate"],
            line["gap"],
            label=str(series),
            **line_options(styles[part["name"].iloc[0]]),
        )
    format_rate_axis(axis)


def _scalar(axis: Axes, kind: str, limits: tuple[float, float]) -> None:
    """Draw the best scalar quantiser with ideal entropy coding, in dB above the bound."""
    curve = ecsq_curve(kind)
    known = curve.rate <= _HIGH_RATE
    gap = 10 * np.log10(curve.nmse / shannon_bound(kind, curve.rate))[known]
    rate = np.geomspace(max(limits[0], curve.rate[0]), limits[1], 200)
    dotted = np.interp(rate, curve.rate[known], gap)
    axis.plot(rate, dotted, color=INK, linewidth=1.0, linestyle=(0, (1, 1)), zorder=1)
    axis.set_xlim(*limits)
