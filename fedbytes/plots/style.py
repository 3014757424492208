"""One look for all figures: colours, markers, byte axes, and saving without churn."""

import functools
import io
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

P = ParamSpec("P")
R = TypeVar("R")

WIDTH = 7.0  # inches: two columns of a paper
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
# Ticks of a byte axis, dense to sparse: factors in a decade, then every second, fourth … decade.
_STEPS: tuple[tuple[float, ...], ...] = (
    (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8),
    (1, 1.5, 2, 3, 5, 7),
    (1, 2, 5),
    (1, 3),
    (1,),
    (1e-2,),
    (1e-4,),
)
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
    return found if baseline is None else {baseline: LineStyle(INK, "o", "-"), **found}


def styled(function: Callable[P, R]) -> Callable[P, R]:
    """Run a function under the style sheet, and leave the caller's settings as they were."""

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        with matplotlib.rc_context(fname=_SHEET):
            return function(*args, **kwargs)

    return wrapped


def make_panels(
    titles: Sequence[str], height: float = 2.7, columns: int = 3, **sharing: Any
) -> tuple[Figure, list[Axes]]:
    """Return a figure with one titled panel each, up to `columns` in a row."""
    across = min(len(titles), columns)
    down = math.ceil(len(titles) / across)
    figure = Figure(figsize=(WIDTH, height * down + 0.5), layout="constrained")
    grid = figure.subplots(down, across, squeeze=False, **sharing)
    axes = [axis for row in grid for axis in row]
    for axis, title in zip(axes, titles, strict=False):
        axis.set_title(title)
    for spare in axes[len(titles) :]:
        spare.remove()
    return figure, axes[: len(titles)]


def label_bottom(axes: Sequence[Axes], label: str, columns: int = 2) -> None:
    """Name the x axis of the lowest panel of each column."""
    for axis in axes[-columns:]:
        axis.set_xlabel(label)


def add_legend(figure: Figure, handles: Sequence[Any], title: str | None = None) -> None:
    """Put one legend above the panels, in as many columns as fit."""
    inches = [0.065 * len(str(handle.get_label())) + 0.65 for handle in handles]
    columns = next(n for n in range(len(inches), 0, -1) if n == 1 or _wide(inches, n) < WIDTH)
    figure.legend(handles=list(handles), loc="outside upper center", ncols=columns, title=title)


def _wide(inches: list[float], columns: int) -> float:
    """Return the width of a legend, whose first columns have one entry more if need be."""
    rows, longer = divmod(len(inches), columns)
    starts = [c * rows + min(c, longer) for c in range(columns + 1)]
    return sum(max(inches[a:b]) for a, b in itertools.pairwise(starts))


def add_note(figure: Figure, text: str) -> None:
    """Write below the panels how the figure was made."""
    figure.supxlabel(text, fontsize=8, color=INK)


def format_bytes(count: float, _position: object = None) -> str:
    """Return bytes with an SI unit and three figures: `"1.54 MB"`."""
    if not math.isfinite(count):
        return "–"
    units = ("B", "kB", "MB", "GB", "TB", "PB")
    power = 0 if abs(count) < 1 else min(int(math.log10(abs(count)) / 3 + 1e-12), len(units) - 1)
    value = float(f"{count / 1000**power:.3g}")
    if abs(value) >= 1000 and power < len(units) - 1:  # 999,999 B rounds to 1 MB
        value, power = value / 1000, power + 1
    return f"{value:g} {units[power]}"


def format_bytes_axis(axes: Axes, low: float, high: float, most: int = 5) -> None:
    """Make x a logarithmic axis of bytes, `low` to `high`, of at most `most` ticks with units."""
    axes.set_xscale("log")
    low, high = low / 1.3, high * 1.3
    axes.set_xlim(low, high)
    axis = axes.xaxis
    choices = (_ticks(low, high, steps) for steps in _STEPS)
    ticks = next((ticks for ticks in choices if len(ticks) <= most), [])
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(format_bytes))
    axis.set_minor_formatter(NullFormatter())


def _ticks(low: float, high: float, steps: tuple[float, ...]) -> list[float]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    stride = 1 if steps[0] >= 1 else round(-math.log10(steps[0]))
    factors = steps if stride == 1 else (1,)
    values = (10.0**power * f for power in range(first, last + 1, stride) for f in factors)
    return [value for value in values if low <= value <= high]


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
