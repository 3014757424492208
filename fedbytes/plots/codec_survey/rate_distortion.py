"""Distortion against rate: codecs, Shannon's bound and the best scalar quantiser."""

from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from fedbytes.plots.codec_survey.series_labels import label_series
from fedbytes.plots.codec_survey.shannon_bounds import ecsq_curve, shannon_bound
from fedbytes.plots.drawing.direct_labels import DirectLabel, place_labels
from fedbytes.plots.method_looks import DASHES, INK, MARKERS, LineStyle, assign_line_styles
from fedbytes.plots.style import add_legend, add_note, make_panels, styled

TITLES = {"gauss": "Gaussian", "t3": "Student-t, 3 degrees of freedom"}
_TICKS = (0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32)


@styled
def draw_rate_distortion(
    rows: pd.DataFrame,
    series: str = "name",
    note_text: str = "",
    coloured: str | None = None,
    peers: Collection[str] = (),
) -> Figure:
    """Draw NMSE against bits per coordinate: a panel per distribution, a line per series.

    Args:
        rows: columns `distribution`, `bits_per_coordinate`, `nmse`, `series` and `coloured`.
        series: the column whose values share a line.
        note_text: a sentence below the panels.
        coloured: the column whose values share a colour; the series by default.
        peers: those of its values that are drawn grey and hollow, as what is compared with.
    """
    shown = rows[(rows["nmse"] > 0) & (rows["nmse"] < 4)]
    coloured = coloured or series
    kinds = [kind for kind in TITLES if kind in set(shown["distribution"])]
    names = list(dict.fromkeys(shown[coloured]))
    styles = assign_line_styles(names, None)
    greys = [name for name in names if name in peers]
    styles |= {
        name: LineStyle(_GREY, MARKERS[place % len(MARKERS)], DASHES[place % len(DASHES)])
        for place, name in enumerate(greys)
    }
    figure, axes = make_panels([TITLES[kind] for kind in kinds], height=3.6, columns=2, sharey=True)
    for axis, kind in zip(axes, kinds, strict=True):
        for _, line in shown[shown["distribution"] == kind].groupby(series, sort=False):
            _line(axis, line.sort_values("bits_per_coordinate"), styles[line[coloured].iloc[0]])
        axis.set_yscale("log")
        format_rate_axis(axis)
        _limits(axis, kind, shown)
    handles = [styles[name].handle(name) for name in names]
    for handle in handles:
        handle.set_markerfacecolor(_face(styles[handle.get_label()]))  # type: ignore[index]
    add_legend(figure, [*handles, *_limit_handles()])
    figure.supylabel("NMSE of one vector")
    add_note(figure, note_text or "All bytes of the payload are counted.")
    if series != coloured and "series" in shown:
        labels: dict[Axes, list[DirectLabel]] = {}
        for axis, kind in zip(axes, kinds, strict=True):
            part = shown[shown["distribution"] == kind]
            labels |= label_series(axis, part, "nmse", coloured, styles)
        place_labels(figure, labels, 1.2)
    return figure


_GREY = "#6a6a6a"


def _face(style: LineStyle) -> str:
    """Return what marks are filled with: nothing for a peer's."""
    return "none" if style.color == _GREY else style.color


def _line(axis: Axes, line: pd.DataFrame, style: LineStyle) -> None:
    axis.plot(line["bits_per_coordinate"], line["nmse"], **line_options(style))


def format_rate_axis(axis: Axes) -> None:
    """Make x a logarithmic axis of bits per coordinate."""
    axis.set_xscale("log", base=2)
    axis.xaxis.set_major_locator(FixedLocator(_TICKS))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axis.set_xlabel("Bits per coordinate")


def line_options(style: LineStyle) -> dict[str, Any]:
    """Return a codec's options for `Axes.plot`."""
    return {
        "color": style.color,
        "markerfacecolor": _face(style),
        "marker": style.marker,
        "linestyle": style.linestyle,
        "markersize": 4.5,
        "linewidth": 1.1,
    }


def _limits(axis: Axes, kind: str, rows: pd.DataFrame) -> None:
    low, high = rows["bits_per_coordinate"].min(), rows["bits_per_coordinate"].max()
    floor = max(float(rows["nmse"].min()) / 2, 1e-7)
    rate = np.geomspace(low, high, 300)
    bound, scalar = shannon_bound(kind, rate), ecsq_curve(kind)
    axis.plot(rate, bound, color=INK, linewidth=1.6, zorder=1)
    inside = (scalar.rate >= low) & (scalar.rate <= high)
    axis.plot(
        scalar.rate[inside],
        scalar.nmse[inside],
        color=INK,
        linewidth=1.0,
        linestyle=(0, (1, 1)),
        zorder=1,
    )
    axis.set_xlim(low / 1.15, high * 1.15)
    axis.set_ylim(floor, 1.6)


def _limit_handles() -> list[Line2D]:
    return [
        Line2D([], [], color=INK, linewidth=1.6, label="Shannon's lower bound"),
        Line2D(
            [], [], color=INK, linewidth=1.0, linestyle=(0, (1, 1)), label="scalar, entropy-coded"
        ),
    ]
