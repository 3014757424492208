"""Where the texts of a drawn figure are: which overlap, and which leave it."""

import itertools

from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

SLACK = 1.0  # pixels


def text_faults(figure: Figure) -> list[str]:
    """Return a line for every two texts that overlap, and for every one that leaves the figure."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    axes = [axis for axis in figure.findobj(Axis) if isinstance(axis, Axis)]
    every = {
        id(label)
        for axis in axes
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks())
        for label in (tick.label1, tick.label2)
    }
    shown = [label for axis in axes for tick in axis._update_ticks()
             for label in (tick.label1, tick.label2)]  # fmt: skip
    texts = [t for t in figure.findobj(Text) if id(t) not in every] + shown
    texts = [t for t in texts if t.get_visible() and t.get_text().strip()]
    boxes = {id(t): (t.get_text(), _box(t, renderer)) for t in texts}.values()
    width, height = figure.bbox.width, figure.bbox.height
    found = [
        f"{words!r} leaves the figure"
        for words, (x0, y0, x1, y1) in boxes
        if x0 < -SLACK or y0 < -SLACK or x1 > width + SLACK or y1 > height + SLACK
    ]
    for (one, a), (other, b) in itertools.combinations(boxes, 2):
        if all(a[i] + SLACK < b[i + 2] and b[i] + SLACK < a[i + 2] for i in (0, 1)):
            found.append(f"{one!r} is over {other!r}")
    return found


def _box(text: Text, renderer) -> tuple[float, float, float, float]:
    arrow, text.arrow_patch = getattr(text, "arrow_patch", None), None
    try:  # the text alone, without the line that leads to what it names
        return Text.get_window_extent(text, renderer).extents
    finally:
        text.arrow_patch = arrow
