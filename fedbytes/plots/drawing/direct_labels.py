"""Names beside what they name: placed where they hide nothing, and least of all each other."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import cos, pi, sin

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from fedbytes.plots.canvas import canvas
from fedbytes.plots.method_looks import FAINT, INK, registered_name
from fedbytes.plots.shown_text import cut, drawable, inches
from fedbytes.plots.style import points
from fedbytes.plots.svg_marks import mark

_ROUND = [turn * pi / 8 for turn in (0, 2, -2, 4, -4, 6, -6, 8, 1, -1, 3, -3, 5, -5, 7, -7)]
_REACH = (9.0, 14.0, 21.0, 32.0, 46.0, 62.0)  # points from what is named
_NEAR = 14.0  # points: beyond, a line leads to it
_LINE_HEIGHT = 0.135  # inches


@dataclass(frozen=True)
class DirectLabel:
    """A name and the point that it stands for, in the axes' data; `method` as in `mark`."""

    text: str
    x: float
    y: float
    method: str | None = None
    color: str = FAINT


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
    drawn = _pixels_of_lines(axis)
    taken = [np.array(t.get_window_extent().extents) for t in axis.texts if t.get_text()]
    lost = []
    for name in names:
        text = cut(drawable(name.text), min(width, 0.9 * frame.width / pixels))
        size = np.array([1.06 * inches(text) + 0.04, _LINE_HEIGHT]) * pixels
        point = axis.transData.transform((name.x, name.y))
        best = min(
            ((_cost(box, np.array(frame.extents), taken, drawn, reach), box, reach)
             for reach in _REACH for box in _boxes(point, size, reach * pixels / 72)),
            key=lambda found: found[0],
        )  # fmt: skip
        cost, box, reach = best
        if cost >= _IMPOSSIBLE:
            lost.append(name.text)
            continue
        taken.append(box)
        _write(axis, name, text, (box[:2] + box[2:]) / 2 - point, reach)
    return lost


_IMPOSSIBLE = 1e6


def _boxes(
    point: NDArray[np.float64], size: NDArray[np.float64], reach: float
) -> Iterable[NDArray[np.float64]]:
    """Yield boxes (left, bottom, right, top) around a point, whose nearest edge is `reach` off."""
    for angle in _ROUND:
        away = np.array([cos(angle), sin(angle)])
        middle = point + away * reach + np.where(np.abs(away) > 0.3, np.sign(away), 0) * size / 2
        yield np.concatenate([middle - size / 2, middle + size / 2])


def _cost(
    box: NDArray[np.float64],
    frame: NDArray[np.float64],
    taken: Sequence[NDArray[np.float64]],
    drawn: NDArray[np.float64],
    reach: float,
) -> float:
    if (box[:2] < frame[:2]).any() or (box[2:] > frame[2:]).any():
        return _IMPOSSIBLE
    if any((box[:2] < other[2:]).all() and (other[:2] < box[2:]).all() for other in taken):
        return _IMPOSSIBLE
    inside = ((drawn > box[:2] - 1) & (drawn < box[2:] + 1)).all(axis=1)
    return float(inside.sum()) + 0.25 * reach


def _pixels_of_lines(axis: Axes) -> NDArray[np.float64]:
    """Return points along everything that is drawn as a line or as markers, in pixels."""
    found = [np.empty((0, 2))]
    for line in axis.lines:
        if isinstance(line, Line2D) and line.get_transform() == axis.transData:
            path = axis.transData.transform(np.column_stack(line.get_data()).astype(float))
            path = path[np.isfinite(path).all(axis=1)]
            if line.get_linestyle() not in ("None", "none", "") and len(path) > 1:
                steps = np.linspace(0, 1, 12)[:, None, None]
                found.append((path[:-1] * (1 - steps) + path[1:] * steps).reshape(-1, 2))
            else:  # a mark is worse hidden than a bit of a line
                found += [path] * 4
    for band in axis.collections:
        if len(offsets := np.asarray(band.get_offsets(), dtype=float)) > 1:
            found.append(axis.transData.transform(offsets))
    return np.concatenate(found)


def _write(
    axis: Axes, name: DirectLabel, text: str, shift: NDArray[np.float64], reach: float
) -> None:
    offset = shift * 72 / axis.get_figure(root=True).dpi  # type: ignore[union-attr]
    leader = {"arrowstyle": "-", "color": name.color, "linewidth": points(0.6), "shrinkB": 2}
    written = axis.annotate(
        text,
        (name.x, name.y),
        xytext=(float(offset[0]), float(offset[1])),
        textcoords="offset points",
        ha="center",
        va="center",
        color=INK,
        fontsize=points(),
        arrowprops=leader if reach > _NEAR else None,
    )
    written.set_in_layout(False)
    mark(written, name.method)
