"""One style for all figures: panels, legends, notes, and saving without churn."""

import functools
import io
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fedbytes.plots.canvas import canvas
from fedbytes.plots.method_looks import COLOURS as COLOURS
from fedbytes.plots.method_looks import DASHES as DASHES
from fedbytes.plots.method_looks import GRID as GRID
from fedbytes.plots.method_looks import INK as INK
from fedbytes.plots.method_looks import MARKERS as MARKERS
from fedbytes.plots.method_looks import PAPER as PAPER
from fedbytes.plots.method_looks import LineStyle as LineStyle
from fedbytes.plots.method_looks import assign_line_styles as assign_line_styles
from fedbytes.plots.number_axis import write_powers_plainly
from fedbytes.plots.own_axes import add_own_legend, own_axes, own_panels
from fedbytes.plots.shown_text import MISSING, cut, drawable, finish_texts, inches, wrap
from fedbytes.plots.svg_marks import mark, number_marks, write_marks

P = ParamSpec("P")
R = TypeVar("R")

WIDTH = 7.0  # inches: two columns of a paper
TITLE_LINES = 3
_LABEL_WIDTH = 3.2  # inches: of a method's name in a legend
_TITLE_POINTS = 9.0
_SMALL = 8.0  # points
_LEGEND_ROWS, _NOTE_LINES = 1, 1  # that the usual height has room for
_NO_GLYPH = f"{MISSING}: a character that no installed font has; the tables have it."
_NO_LAYOUT: dict[Any, bool] = {"figure.autolayout": False, "figure.constrained_layout.use": False}
_SHEET = Path(__file__).with_name("fedbytes.mplstyle")
_SCALED = (
    "font.size", "axes.titlesize", "axes.labelsize", "xtick.labelsize", "ytick.labelsize",
    "legend.fontsize", "legend.title_fontsize", "figure.labelsize", "axes.linewidth",
    "grid.linewidth", "lines.linewidth", "lines.markersize", "errorbar.capsize",
    "hatch.linewidth", "xtick.major.size", "ytick.major.size", "xtick.major.pad",
    "ytick.major.pad", "axes.titlepad", "axes.labelpad",
)  # fmt: skip


def styled(function: Callable[P, R]) -> Callable[P, R]:
    """Run a function under the style sheet, and leave the caller's settings as they were.

    A figure that it returns has glyphs for all its texts, and says which characters had none.
    """

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        if own_axes():
            return function(*args, **kwargs)
        with matplotlib.rc_context(fname=_SHEET):
            for name in _SCALED if canvas().scale != 1 else ():
                sizes: Any = matplotlib.rcParams
                sizes[name] = float(sizes[name]) * canvas().scale
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


def points(size: float = _SMALL) -> float:
    """Return a size of text, of a line or of a marker on the canvas that is drawn on."""
    return size * canvas().scale


def set_size(figure: Figure, height: float) -> None:
    """Make a figure as wide as the canvas, and so many inches high; not the caller's own."""
    if own_axes():
        return
    figure.set_size_inches(canvas().inches, height * canvas().scale)


def label_width() -> float:
    """Return the inches that a method's name may have in a legend."""
    return min(_LABEL_WIDTH, canvas().width - 0.8)


def fit_columns(count: int, most: int, least: float = 2.1) -> int:
    """Return how many panels stand in a row: at most `most`, each at least `least` inches wide."""
    return max(1, min(count, most, int(canvas().width / least)))


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
    across = fit_columns(len(titles), columns, least=1.5)
    down = math.ceil(len(titles) / across)
    room = title_width or canvas().width / across - 0.6
    titles = [wrap_title(title, room) for title in titles]
    height += extra_height(titles)
    figure = Figure(layout="constrained")
    set_size(figure, height * down + 0.5)
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
    room = figure.get_figheight() / canvas().scale - 0.9
    figure.supylabel(wrap(drawable(label), max(room, 1.0), 3, points=9.0))


def label_bottom(axes: Sequence[Axes], label: str, columns: int = 2) -> None:
    """Name the x axis of the lowest panel of each column."""
    for axis in axes[-columns:]:
        room = canvas().width / columns - 0.6
        axis.set_xlabel(wrap(label, room, 2, points=9.0))


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
    labels = [cut(drawable(handle.get_label()), label_width()) for handle in handles]
    if own_axes():
        add_own_legend(handles, labels, title)
        return
    wide = [max(0.065 * len(label), inches(label)) + 0.65 for label in labels]
    room = canvas().width
    columns = next(n for n in range(len(wide), 0, -1) if n == 1 or _wide(wide, n) < room)
    made = figure.legend(
        handles=list(handles),
        labels=[f"entry {place}" for place in range(len(labels))],
        loc="outside upper center",
        ncols=columns,
        title=title,
    )
    for text, label in zip(made.get_texts(), labels, strict=True):
        text.set_text(label)  # matplotlib leaves out names that start with an underscore
    for handle, text, given in zip(made.legend_handles, made.get_texts(), handles, strict=True):
        for artist in (handle, text):
            if artist is not None:
                mark(artist, str(given.get_label()))
    _grow(figure, 0.165 * (math.ceil(len(labels) / columns) - _LEGEND_ROWS))


def add_headline(figure: Figure, facts: str) -> None:
    """Write above everything, a legend too, what all panels have in common; the figure grows."""
    words = wrap(drawable(facts), canvas().width - 0.3, 3, _SMALL, bold=True)
    if not words or own_axes():
        return
    if figure.legends:
        figure.legends[0].set_title(words)
    else:
        figure.suptitle(words, fontsize=points(), x=0.02, ha="left")
    _grow(figure, 0.16 * (1 + words.count("\n")))


def _grow(figure: Figure, height: float) -> None:
    """Make a figure taller, so that what stands around its panels does not press them."""
    if height > 0:
        figure.set_figheight(figure.get_figheight() + height * canvas().scale)


def _wide(inches: list[float], columns: int) -> float:
    """Return the width of a legend, whose first columns have one entry more if need be."""
    rows, longer = divmod(len(inches), columns)
    starts = [c * rows + min(c, longer) for c in range(columns + 1)]
    return sum(max(inches[a:b]) for a, b in itertools.pairwise(starts))


_notes: ContextVar[tuple[str, ...]] = ContextVar("notes", default=())


@contextmanager
def noted(notes: Sequence[str]) -> Iterator[None]:
    """Add these sentences to the note of every figure that is drawn within the block."""
    token = _notes.set(tuple(notes))
    try:
        yield
    finally:
        _notes.reset(token)


def add_note(figure: Figure, text: str) -> None:
    """Write below the panels how the figure was made; the figure grows with its lines."""
    if own_axes():
        return
    text = "\n".join([text, *_notes.get()])
    before = len(figure.get_supxlabel().splitlines())
    lines = [wrap(drawable(line), canvas().width - 0.3, 4) for line in text.split("\n")]
    figure.supxlabel("\n".join(lines), fontsize=points(), color=INK)
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
        "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
        "png": {"Software": None},
    }
    paths = {suffix: target / f"{name}.{suffix}" for suffix in ("svg", *nameless)}
    with _laid_out(figure):
        paths["svg"].write_text(render_svg(figure), encoding="utf-8")
        for suffix, metadata in nameless.items():
            figure.savefig(paths[suffix], metadata=metadata)
    return list(paths.values())


@styled
def render_svg(figure: Figure) -> str:
    """Return a figure as SVG text without a date; the same figure gives the same text.

    What was marked (see `mark`) names its method in `data-method`, and its numbers in `<title>`.
    """
    marks = number_marks(figure)
    buffer = io.StringIO()
    with _laid_out(figure):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return write_marks(buffer.getvalue(), marks)


@contextmanager
def _laid_out(figure: Figure) -> Iterator[None]:
    """Lay a figure out once, and have no engine within the block.

    With any engine, even the one called "none", matplotlib draws a figure twice each time that it
    is saved. None of its settings may put one back in its place.
    """
    engine = figure.get_layout_engine()
    if engine is None:
        yield
        return
    engine.execute(figure)
    with matplotlib.rc_context(_NO_LAYOUT):
        figure.set_layout_engine(None)
    try:
        yield
    finally:
        figure.set_layout_engine(engine)
