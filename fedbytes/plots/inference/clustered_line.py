"""A line through runs of several settings, whose runs are not independent."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

FEWEST_CLUSTERS = 4


@dataclass(frozen=True)
class ClusteredLine:
    """A least-squares line with an interval of its slope over clusters.

    Attributes:
        slope, low, high: per unit of x, with its 95 % interval.
        intercept: of the line.
        p_value: two-sided, of a slope of 0.
        clusters, n: settings and points.
    """

    slope: float
    low: float
    high: float
    intercept: float
    p_value: float
    clusters: int
    n: int


def fit_clustered_line(
    x: ArrayLike, y: ArrayLike, clusters: ArrayLike, level: float = 0.05
) -> ClusteredLine:
    """Fit a line whose interval takes the clusters as independent and not the points.

    The error is the jackknife's over clusters (CR3 of MacKinnon, Nielsen and Webb 2023,
    "Cluster-robust inference: A guide to empirical practice"), with Student's t of clusters - 1
    degrees: among cluster-robust errors the one that errs least where clusters are few and one of
    them has much leverage.

    Args:
        x: [n] such as the measured heterogeneity.
        y: [n] such as the paired difference.
        clusters: [n] the setting of each point.
        level: of the two-sided interval.

    Raises:
        ValueError: for fewer than four clusters, values that are not finite, or an x that a single
            cluster holds up.
    """
    xs, ys = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    names, member = np.unique(np.asarray(clusters), return_inverse=True)
    missing = int((~(np.isfinite(xs) & np.isfinite(ys))).sum())
    if missing:
        raise ValueError(
            f"{missing} of {xs.size} points are not finite, and a line through the others would be "
            "that of the survivors"
        )
    if names.size < FEWEST_CLUSTERS:
        raise ValueError(
            f"a slope over settings needs at least {FEWEST_CLUSTERS} of them, got {names.size}"
        )
    slope, intercept = _fit(xs, ys)
    without = np.array([_fit(xs[member != g], ys[member != g])[0] for g in range(names.size)])
    if not np.isfinite([slope, *without]).all():
        raise ValueError("x must differ between at least two settings without any one of them")
    count = names.size
    error = sqrt((count - 1) / count * float(np.sum((without - slope) ** 2)))
    half = float(special.stdtrit(count - 1, 1 - level / 2)) * error
    t = abs(slope) / error if error > 0 else np.inf
    p_value = 2 * float(special.stdtr(count - 1, -t)) if slope else 1.0
    return ClusteredLine(slope, slope - half, slope + half, intercept, p_value, count, xs.size)


def _fit(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    """Return slope and intercept; NaN where x never differs."""
    centred = x - x.mean()
    spread = float(np.sum(centred**2))
    if spread <= 1e-12 * max(1.0, float(np.max(np.abs(x))) ** 2):
        return float("nan"), float("nan")
    slope = float(np.sum(centred * y)) / spread
    return slope, float(y.mean()) - slope * float(x.mean())
