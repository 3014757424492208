"""Names beside what they name: placed where they hide nothing, and least of all each other."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from fedbytes.plots.canvas import canvas
from fedbytes.plots.drawing.label_places import PanelSpace, Spot, dense
from fedbytes.plots.method_looks import FAINT, INK, registered_name
from fedbytes.plots.shown_text import cut, drawable, inches
from fedbytes.plots.style import points
from fedbytes.plots.svg_marks import mark

_LINE_HEIGHT = 0.135  # inches
_GOOD = 25.0  # what a place may cost without a second look


@dataclass(frozen=True)
class DirectLabel:
    """A name and the point that it stands for, in the axes' data; `method` as in `mark`.

    A curve may be named anywhere `along` it, best at the point itself.
    """

    text: str
    x: float
    y: float
    method: str | None = None
    color: str = FAINT
    along: tuple[tuple[float, float], ...] = ()


def shorten_names(labels: Sequence[str]) -> dict[str, str]:
    """Return what stands beside a method's line: a codec's name and rate, if none is like it."""
    short = {label: _short(label) for label in labels}
    counts = Counter(short.values())
    return {label: name if counts[name] == 1 else label for label, name in short.items()}


def _short(label: str) -> str:
    name, rate = registered_name(label), re.search(r", (\d[\d.]*\sbit)$", label)
    return f"{name} {rate[1]}" if name and rate else label


def place_labels(
    figure: Figure, labels: dict[Axes, list[DirectLabel]], width: float = 1.45
) -> list[str]:
    """Write names into panels whose layout is final but for them.

    Args:
        figure: whose panels they are.
        labels: of each panel, the most important first.
        width: inches that a name may have.

    Returns:
        the names that found no room, which the caller has to say elsewhere.
    """
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
    lost = []
    for axis, names in labels.items():
        lost += _place(axis, names, width)
    return list(dict.fromkeys(lost))


def _place(axis: Axes, names: Sequence[DirectLabel], width: float) -> list[str]:
    pixels = axis.get_figure(root=True).dpi * canvas().scale  # type: ignore[union-attr]
    frame = axis.get_window_extent()
    panel = PanelSpace(
        np.array(frame.extents),
        pixels / 72,
        _pixels_of_lines(axis),
        [np.array(t.get_window_extent().extents) for t in axis.texts if t.get_text()],
    )
    curves = {name: axis.transData.transform(name.along) for name in names if name.along}
    texts = {
        name: cut(drawable(name.text), min(width, 0.9 * frame.width / pixels)) for name in names
    }
    spots: dict[DirectLabel, Spot] = {}
    for place, name in enumerate([*names, *names]):
        before = spots.pop(name, None)
        if place >= len(names) and before is not None and before.cost < _GOOD:
            spots[name] = before  # no need to look again, now that the others have places
            continue
        size = np.array([1.06 * inches(texts[name]) + 0.04, _LINE_HEIGHT]) * pixels
        end = axis.transData.transform((name.x, name.y))
        others = [dense(curve) for of, curve in curves.items() if of is not name]
        around = panel.with_names(spots.values())
        found = around.find_place(size, end, curves.get(name), others)
        if found is not None:
            spots[name] = found
    for name, spot in spots.items():
        _write(axis, name, texts[name], spot)
    return [name.text for name in names if name not in spots]


def _pixels_of_lines(axis: Axes) -> NDArray[np.float64]:
    """Return points along everything that is drawn as a line or as markers, in pixels."""
    found = [np.empty((0, 2))]
    for line in axis.lines:
        if isinstance(line, Line2D):
            path = np.asarray(line.get_path().vertices, dtype=float)
            path = line.get_transform().transform(path)
            path = path[np.isfinite(path).all(axis=1)]
            if line.get_linestyle() not in ("None", "none", "") and len(path) > 1:
                found.append(dense(path))
            else:  # a mark is worse hidden than a bit of a line
                found += [path] * 40
    for band in axis.collections:
        if len(offsets := np.asarray(band.get_offsets(), dtype=float)) > 1:
            found.append(axis.transData.transform(offsets))
    return np.concatenate(found)


def _write(axis: Axes, name: DirectLabel, text: str, spot: Spot) -> None:
    shift = (spot.middle - spot.point) * 72 / axis.get_figure(root=True).dpi  # type: ignore[union-attr]
    size = spot.box[2:] - spot.box[:2]
    edge = np.clip((spot.point - spot.box[:2]) / size, 0.0, 1.0)  # where the leader leaves the name
    leader = {"arrowstyle": "-", "color": name.color, "linewidth": points(0.6), "shrinkB": 2,
              "relpos": (float(edge[0]), float(edge[1]))}  # fmt: skip
    x, y = axis.transData.inverted().transform(spot.point)
    written = axis.annotate(
        text,
        (float(x), float(y)),
        xytext=(float(shift[0]), float(shift[1])),
        textcoords="offset points",
        ha="center",
        va="center",
        color=INK,
        fontsize=points(),
        arrowprops=leader if spot.led else None,
    )
    written.set_in_layout(False)
    mark(written, name.method)
