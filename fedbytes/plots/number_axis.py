"""Numbers on axes: bytes with units, logarithmic axes, values of any size."""

import itertools
import math
import re
from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis, XAxis
from matplotlib.figure import Figure
from matplotlib.ticker import (
    FixedLocator,
    Formatter,
    FuncFormatter,
    LogFormatterMathtext,
    LogLocator,
    NullFormatter,
    NullLocator,
)
from numpy.typing import NDArray

from fedbytes.plots.number_words import format_bytes
from fedbytes.plots.shown_text import inches

LARGEST_DRAWN = 1e300
"""Values beyond are left out of figures: margins around them would overflow."""
# Ticks of a byte axis, dense to sparse: factors in a decade, then every second, fourth … decade.
_STEPS: tuple[tuple[float, ...], ...] = (
    (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8),
    (1, 1.5, 2, 3, 5, 7),
    (1, 2, 5),
    (1, 3),
    (1,),
    *((10.0**-power,) for power in (2, 4, 8, 16, 32, 64, 128)),
)
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_POWER = re.compile(r"\$\\mathdefault\{(?P<sign>-?)(?:(?P<factor>[^$]*?)\\times)?"
                    r"(?P<base>[^$^]+)\^\{(?P<power>[^}]*)\}\}\$")  # fmt: skip


def on_log_axis(values: Iterable[float]) -> list[float]:
    """Return the values that a logarithmic axis can show: above zero, and not past 1e300."""
    return [float(value) for value in values if 0 < value < LARGEST_DRAWN]


def drawn_values(values: Any, scale: float = 1.0) -> NDArray[np.float64]:
    """Return values times `scale` as float64; NaN for what is not finite or past 1e300."""
    found = np.asarray(values, dtype=np.float64)
    kept = np.abs(found) < LARGEST_DRAWN / scale
    return np.where(kept, np.where(kept, found, 0.0) * scale, np.nan)


def format_bytes_axis(axes: Axes, low: float, high: float, most: int = 5) -> None:
    """Make x a logarithmic axis of bytes, `low` to `high`, of at most `most` ticks with units.

    Raises:
        ValueError: for ends that no logarithmic axis has.
    """
    if not (0 < low <= high < math.inf):
        raise ValueError(f"a logarithmic axis cannot go from {low} to {high}")
    axes.set_xscale("log")
    low, high = low / 1.3, min(high * 1.3, LARGEST_DRAWN * 10)
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
    powers = range(first, min(last, 307) + 1, stride)
    values = (10.0**power * f for power in powers for f in factors)
    return [value for value in values if low <= value <= high]


def format_log_ticks(axis: Axis) -> None:
    """Put ticks on a logarithmic axis at 1, 2 and 5 of each decade, or at 1 over a wide range.

    Where these have no room for their labels, there are fewer.
    """
    axis.set_major_locator(_RoomyLogLocator())
    axis.set_minor_formatter(NullFormatter())


class _RoomyLogLocator(LogLocator):
    """Ticks as dense as their labels have room for on the axis as it is drawn.

    How long an axis is and what its labels say is known only then: the layout makes room for what
    stands beside it, and a formatter may come after the locator.
    """

    def __call__(self) -> Any:
        assert isinstance(self.axis, Axis)
        low, high = sorted(self.axis.get_view_interval())
        subs = (1.0, 2.0, 5.0) if low > 0 and high / low < 300 else (1.0,)
        self.set_params(subs=subs, numticks=12)
        usual = super().__call__()
        shown = [tick for tick in usual if low <= tick <= high]
        if _have_room(self.axis, shown):
            return usual
        sparser = (_ticks(low, high, steps) for steps in _STEPS[3:])
        few = (ticks for ticks in sparser if ticks and _have_room(self.axis, ticks))
        return next(few, shown[len(shown) // 2 :][:1])


_GAP = 0.25  # ems between two labels


def _have_room(axis: Axis, ticks: list[float]) -> bool:
    """Return whether the labels of these ticks stand apart, as long as the axis is now."""
    size = float(axis.get_major_ticks(1)[0].label1.get_fontsize())  # points
    across, figure = isinstance(axis, XAxis), axis.axes.get_figure(root=True)
    assert figure is not None
    labels = axis.get_major_formatter().format_ticks(ticks)
    halves = [inches(plain_power(label), size) * 36 if across else size / 2 for label in labels]
    places = [
        axis.get_transform().transform([tick, *axis.get_view_interval()]).tolist()
        for tick in ticks
    ]  # fmt: skip
    box = axis.axes.get_window_extent()
    length = (box.width if across else box.height) * 72 / figure.dpi
    at = [(tick - low) / (high - low) * length for tick, low, high in places]
    pairs = sorted(zip(at, halves, strict=True))
    return all(b - a >= one + other + _GAP * size
               for (a, one), (b, other) in itertools.pairwise(pairs))  # fmt: skip


def write_powers_plainly(figure: Figure) -> None:
    """Write 10⁻² where matplotlib's logarithmic axes would have a formula.

    Texts of figures are not read as formulas, since labels have dollar signs.
    """
    for axis in figure.findobj(Axis):
        if isinstance(major := axis.get_major_formatter(), LogFormatterMathtext):
            axis.set_major_formatter(_PlainPowers(major))
        if isinstance(minor := axis.get_minor_formatter(), LogFormatterMathtext):
            axis.set_minor_formatter(_PlainPowers(minor))


class _PlainPowers(Formatter):
    """Another formatter's labels, with its powers in raised digits."""

    def __init__(self, formula: LogFormatterMathtext) -> None:
        self._formula = formula

    def set_axis(self, axis: Any) -> None:
        super().set_axis(axis)
        self._formula.set_axis(axis)

    def set_locs(self, locs: Any) -> None:
        super().set_locs(locs)
        self._formula.set_locs(locs)

    def __call__(self, x: float, pos: int | None = None) -> str:
        return plain_power(self._formula(x, pos))


def plain_power(formula: str) -> str:
    r"""Return `$\mathdefault{2\times10^{-3}}$` as 2×10⁻³; other texts as they are."""
    found = _POWER.fullmatch(formula)
    if found is None:
        plain = re.fullmatch(r"\$\\mathdefault\{(.*)\}\$", formula)
        return (plain[1] if plain else formula).replace("-", "−")
    factor = f"{found['factor']}×" if found["factor"] else ""
    sign = "−" if found["sign"] else ""
    return f"{sign}{factor}{found['base']}{found['power'].translate(_RAISED)}"
