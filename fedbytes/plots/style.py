"""One look for all figures: colours, markers, byte axes, and saving without churn."""

import functools
import io
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fedbytes.plots.number_axis import write_powers_plainly
from fedbytes.plots.own_axes import add_own_legend, own_axes, own_colour, own_panels
from fedbytes.plots.shown_text import MISSING, cut, drawable, finish_texts, inches, wrap

P = ParamSpec("P")
R = TypeVar("R")

WIDTH = 7.0  # inches: two columns of a paper
LABEL_WIDTH = 3.2  # inches: of a method's name in a legend
TITLE_LINES = 3
INK, PAPER, GRID = "#1b1b1b", "#fefefe", "#dcdcdc"
# Okabe and Ito's palette, which people with any colour vision can tell apart, without the yellow
# that vanishes on white. Markers and dashes differ too, so a figure reads in grey.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
MARKERS = ("s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*")
DASHES: tuple[Any, ...] = (
    (0, (5, 1.5)),
    (0, (1, 1)),
    (0, (5, 1.5, 1, 1.5)),
    (0, (2.5, 1)),
    (0, (7, 1, 1, 1, 1, 1)),
    "-",
    (0, (1, 2.5)),
)
_TITLE_POINTS = 9.0
_LEGEND_ROWS, _NOTE_LINES = 1, 1  # that the usual height has room for
_NO_GLYPH = f"{MISSING}: a character that no installed font has; the tables have it."
_SHEET = Path(__file__).with_name("fedbytes.mplstyle")


@dataclass(frozen=True)
class LineStyle:
    """How one codec is drawn in every figure."""

    color: str
    marker: str
    linestyle: Any

    def handle(self, label: str) -> Line2D:
        """Return the codec's entry in a legend."""
        return Line2D(
            [], [], color=self.color, marker=self.marker, linestyle=self.linestyle, label=label
        )


def assign_line_styles(codecs: Sequence[str], baseline: str | None) -> dict[str, LineStyle]:
    """Return a line style per codec; the baseline is a solid line in ink with round markers."""
    others = [codec for codec in codecs if codec != baseline]
    found = {
        codec: LineStyle(COLOURS[i % 6], MARKERS[i % 11], DASHES[i % 7])
        for i, codec in enumerate(others)
    }
    if baseline is not None:
        found = {baseline: LineStyle(INK, "o", "-"), **found}
    return {
        codec: replace(look, color=own_colour(codec) or look.color) for codec, look in found.items()
    }


def styled(function: Callable[P, R]) -> Callable[P, R]:
    """Run a function under the style sheet, and leave the caller's settings as they were.

    A figure that it returns has glyphs for all its texts, and says which characters had none.
    """

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        if own_axes():
            return function(*args, **kwargs)
        with matplotlib.rc_context(fname=_SHEET):
            made = function(*args, **kwargs)
            if isinstance(made, Figure):
                _finish(made)
            return made

    return wrapped


def _finish(figure: Figure) -> None:
    write_powers_plainly(figure)
    missing = finish_texts(figure)
    said = figure.get_supxlabel()
    if missing and _NO_GLYPH not in said:
        add_note(figure, f"{said}\n{_NO_GLYPH}" if said else _NO_GLYPH)


def make_panels(
    titles: Sequence[str],
    height: float = 2.7,
    columns: int = 3,
    title_width: float | None = None,
    **sharing: Any,
) -> tuple[Figure, list[Axes]]:
    """Return a figure with one titled panel each, up to `columns` in a row.

    Long titles are broken into lines, for which the figure is taller, and cut after three. Axes of
    the caller's own are taken as they are.
    """
    if own_axes():
        given = own_panels(titles)
        return given[0].get_figure(root=True), given  # type: ignore[return-value]
    across = min(len(titles), columns)
    down = math.ceil(len(titles) / across)
    titles = [wrap_title(title, title_width or WIDTH / across - 0.6) for title in titles]
    height += extra_height(titles)
    figure = Figure(figsize=(WIDTH, height * down + 0.5), layout="constrained")
    grid = figure.subplots(down, across, squeeze=False, **sharing)
    axes = [axis for row in grid for axis in row]
    for axis, title in zip(axes, titles, strict=False):
        axis.set_title(title)
    for spare in axes[len(titles) :]:
        spare.remove()
    return figure, axes[: len(titles)]


def name_values(figure: Figure, label: str) -> None:
    """Name the y axis of all panels, in lines that are no longer than the figure is high."""
    if own_axes():
        own_axes()[0].set_ylabel(drawable(label))
        return
    room = figure.get_figheight() - 0.9
    figure.supylabel(wrap(drawable(label), max(room, 1.0), 3, points=9.0))


def label_bottom(axes: Sequence[Axes], label: str, columns: int = 2) -> None:
    """Name the x axis of the lowest panel of each column."""
    for axis in axes[-columns:]:
        axis.set_xlabel(label)


def wrap_title(title: str, width: float) -> str:
    """Return a panel's title in at most three lines of `width` inches; its own lines stay."""
    own = [drawable(line) for line in title.split("\n")]
    most = max(TITLE_LINES - len(own) + 1, 1)
    return "\n".join(wrap(line, width, most, _TITLE_POINTS, bold=True) for line in own)


def extra_height(titles: Sequence[str]) -> float:
    """Return the inches that titles of more than one line need in each row of panels."""
    return 0.16 * max(title.count("\n") for title in titles)


def add_legend(figure: Figure, handles: Sequence[Any], title: str | None = None) -> None:
    """Put one legend above the panels, in as many columns as fit; the figure grows with it."""
    labels = [cut(drawable(handle.get_label()), LABEL_WIDTH) for handle in handles]
    if own_axes():
        add_own_legend(handles, labels, title)
        return
    wide = [max(0.065 * len(label), inches(label)) + 0.65 for label in labels]
    columns = next(n for n in range(len(wide), 0, -1) if n == 1 or _wide(wide, n) < WIDTH)
    made = figure.legend(
        handles=list(handles),
        labels=[f"entry {place}" for place in range(len(labels))],
        loc="outside upper center",
        ncols=columns,
        title=title,
    )
    for text, label in zip(made.get_texts(), labels, strict=True):
        text.set_text(label)  # matplotlib leaves out names that start with an underscore
    _grow(figure, 0.165 * (math.ceil(len(labels) / columns) - _LEGEND_ROWS))


def _grow(figure: Figure, height: float) -> None:
    """Make a figure taller, so that what stands around its panels does not press them."""
    if height > 0:
        figure.set_figheight(figure.get_figheight() + height)


def _wide(inches: list[float], columns: int) -> float:
    """Return the width of a legend, whose first columns have one entry more if need be."""
    rows, longer = divmod(len(inches), columns)
    starts = [c * rows + min(c, longer) for c in range(columns + 1)]
    return sum(max(inches[a:b]) for a, b in itertools.pairwise(starts))


def add_note(figure: Figure, text: str) -> None:
    """Write below the panels how the figure was made; the figure grows with its lines."""
    if own_axes():
        return
    before = len(figure.get_supxlabel().splitlines())
    lines = [wrap(drawable(line), WIDTH - 0.3, 4) for line in text.split("\n")]
    figure.supxlabel("\n".join(lines), fontsize=8, color=INK)
    now = len("\n".join(lines).splitlines())
    _grow(figure, 0.14 * (max(now, _NOTE_LINES) - max(before, _NOTE_LINES)))


@styled
def save_figure(figure: Figure, folder: str | Path, name: str) -> list[Path]:
    """Write `name` as SVG, PDF and PNG; the same figure gives the same bytes again.

    Returns:
        The three paths.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    nameless: dict[str, dict[str, Any]] = {
        "svg": {"Date": None, "Creator": None},
        "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
        "png": {"Software": None},
    }
    paths = {suffix: target / f"{name}.{suffix}" for suffix in nameless}
    engine = figure.get_layout_engine()
    if engine is not None:  # lay out once, not once a format
        engine.execute(figure)
        figure.set_layout_engine("none")
    for suffix, metadata in nameless.items():
        figure.savefig(paths[suffix], metadata=metadata)
    figure.set_layout_engine(engine)
    return list(paths.values())


@styled
def render_svg(figure: Figure) -> str:
    """Return a figure as SVG text without a date; the same figure gives the same text."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()
