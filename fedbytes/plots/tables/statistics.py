"""Means over seeds with their 95 % intervals, and differences paired by seed."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import exp, inf, isfinite, log, nan, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from fedbytes.plots.inference.seeds_needed import FEWEST_SEEDS

CONFIDENCE = 0.95
_HUGE = 1e100
_LARGEST_LOG = 709.0


@dataclass(frozen=True)
class Interval:
    """A mean with its interval over `n` seeds; `low` and `high` are NaN if n < 2."""

    mean: float
    low: float
    high: float
    n: int

    @property
    def half(self) -> float:
        """Half the width of the interval; NaN if n < 2."""
        return (self.high - self.low) / 2


def t_interval(values: Iterable[float]) -> Interval:
    """Return the mean and Student's t interval of independent values; NaN ones are left out."""
    kept = np.array([value for value in values if value == value], dtype=np.float64)
    if kept.size == 0:
        return Interval(nan, nan, nan, 0)
    scale = _scale(kept)
    with np.errstate(invalid="ignore"):  # infinities of both signs have no mean
        mean = float((kept / scale).mean()) * scale
    if kept.size == 1 or not isfinite(mean):
        return Interval(mean, nan, nan, int(kept.size))
    quantile = float(stats.t.ppf(0.5 + CONFIDENCE / 2, kept.size - 1))
    half = quantile * float((kept / scale).std(ddof=1)) * scale / sqrt(kept.size)
    return Interval(mean, mean - half, mean + half, int(kept.size))


def drawn_interval(values: Iterable[float]) -> Interval:
    """Return the mean and, from five values on, the t interval that a figure shows of seeds.

    Below five the seeds themselves are shown: `low` and `high` are NaN.
    """
    found = t_interval(values)
    return found if found.n >= FEWEST_SEEDS else Interval(found.mean, nan, nan, found.n)


def _scale(values: NDArray[np.float64]) -> float:
    """Return what huge values are divided by, so that their squares do not overflow; else 1."""
    largest = float(np.abs(values).max())
    return largest if _HUGE < largest < inf else 1.0


def geometric_interval(values: Iterable[float]) -> Interval:
    """Return the geometric mean and its interval, which is Student's on the logarithms.

    It suits bytes and ratios: the geometric mean of ratios is the ratio of geometric means.
    """
    found = t_interval(log(value) for value in values if 0 < value < inf)
    return Interval(_exp(found.mean), _exp(found.low), _exp(found.high), found.n)


def _exp(logarithm: float) -> float:
    """Return e to a power, infinite where it is past the largest number."""
    return inf if logarithm > _LARGEST_LOG else exp(logarithm)


def pair_by_seed(
    values: dict[int, float], reference: dict[int, float]
) -> list[tuple[int, float, float]]:
    """Return (seed, value, reference) for the seeds that both have, sorted; NaN is missing."""
    shared = sorted(seed for seed in values if seed in reference)
    pairs = [(seed, values[seed], reference[seed]) for seed in shared]
    return [pair for pair in pairs if pair[1] == pair[1] and pair[2] == pair[2]]


@dataclass(frozen=True)
class Line:
    """A least-squares line through `n` points, with Student's intervals.

    Attributes:
        slope: per unit of x, with its interval.
        p_value: of a slope of 0.
        centre, spread, noise: mean of x, sum of squares of x around it, residual deviation.
    """

    slope: Interval
    intercept: float
    p_value: float
    centre: float
    spread: float
    noise: float

    @property
    def n(self) -> int:
        """How many points."""
        return self.slope.n

    def at(self, x: float) -> Interval:
        """Return the line's mean at x, with its interval."""
        mean = self.intercept + self.slope.mean * x
        error = self.noise * sqrt(1 / self.n + (x - self.centre) ** 2 / self.spread)
        half = float(stats.t.ppf(0.5 + CONFIDENCE / 2, self.n - 2)) * error
        return Interval(mean, mean - half, mean + half, self.n)


def fit_line(x: Iterable[float], y: Iterable[float]) -> Line | None:
    """Return the line of least squares; None below three points or if x never differs.

    Points with a value that is not finite are left out. The intervals take the points as
    independent and equally noisy.
    """
    pairs = [(a, b) for a, b in zip(x, y, strict=True) if isfinite(a) and isfinite(b)]
    if len(pairs) < 3 or len({a for a, _ in pairs}) < 2:
        return None
    xs, ys = np.array(pairs, dtype=np.float64).T
    scale = _scale(ys)
    ys = ys / scale
    found = stats.linregress(xs, ys)
    slope, count = float(found.slope), len(pairs)
    half = float(stats.t.ppf(0.5 + CONFIDENCE / 2, count - 2)) * float(found.stderr)
    residuals = ys - float(found.intercept) - slope * xs
    return Line(
        slope=Interval(slope * scale, (slope - half) * scale, (slope + half) * scale, count),
        intercept=float(found.intercept) * scale,
        p_value=float(found.pvalue),
        centre=float(xs.mean()),
        spread=float(np.sum((xs - xs.mean()) ** 2)),
        noise=sqrt(float(np.sum(residuals**2)) / (count - 2)) * scale,
    )
