"""A method against its baseline, paired by seed: four one-sided tests against a margin."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from fedbytes.plots.inference.variance_components import split_variance

LEVEL = 0.05


@dataclass(frozen=True)
class PairedTests:
    """What the differences of a method to its baseline show; above 0 the method is the better.

    Attributes:
        n: how many differences.
        mean, sd: of the differences; `sd` is this method's own, never pooled with others'.
        error: standard error of the mean.
        degrees: of freedom of that error.
        low, high: one-sided bounds at the level, which together are an interval of 1 - 2 level.
        p_non_inferior: of "worse by the margin or more".
        p_worse: of "worse by the margin or less".
        p_better: of "no better than the baseline".
        p_equal: of "differs by the margin or more", the larger of two one-sided p-values (TOST).
    """

    n: int
    mean: float
    sd: float
    error: float
    degrees: float
    low: float
    high: float
    p_non_inferior: float
    p_worse: float
    p_better: float
    p_equal: float


def check_margin(margin: float) -> None:
    """Refuse a margin that no test can use.

    Raises:
        ValueError: unless it is a number above 0.
    """
    if not (isfinite(margin) and margin > 0):
        raise ValueError(
            f"the margin must be above 0, in the metric's own unit (0.005 is half a point of "
            f"accuracy), got {margin!r}"
        )


def compare_with_margin(differences: ArrayLike, margin: float, level: float = LEVEL) -> PairedTests:
    """Test the differences of a method to its baseline, one a seed, with Student's t.

    Args:
        differences: [n] method minus baseline, in an orientation in which more is better.
        margin: the loss that would matter, above 0, in the same unit.
        level: of the bounds.

    Raises:
        ValueError: for fewer than two differences, one that is not finite, or a margin not above 0.
    """
    check_margin(margin)
    values = _finite(differences)
    sd = float(values.std(ddof=1))
    error = sd / sqrt(values.size)
    return _test(values.size, float(values.mean()), sd, error, values.size - 1, margin, level)


def compare_crossed(
    table: Sequence[Sequence[float]] | NDArray[np.float64], margin: float, level: float = LEVEL
) -> PairedTests:
    """Test the differences of a crossed design: every partition with every training seed.

    Differences that share a partition or a seed are not independent, so the error is that of the
    crossed means, with Satterthwaite's degrees of freedom.

    Args:
        table: [partitions, seeds] method minus baseline, more is better.
        margin: the loss that would matter, above 0, in the same unit.
        level: of the bounds.

    Raises:
        ValueError: for fewer than two partitions or seeds, or a value that is not finite.
    """
    check_margin(margin)
    found = split_variance(table)
    values = np.asarray(table, dtype=np.float64)
    error, degrees = found.error_of_mean
    sd = float(values.std(ddof=1))
    return _test(values.size, found.mean, sd, error, degrees, margin, level)


def _finite(differences: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(differences, dtype=np.float64).ravel()
    if values.size < 2:
        raise ValueError(f"a test needs at least two paired differences, got {values.size}")
    if not np.isfinite(values).all():
        raise ValueError(
            "a paired difference is not finite: a run that diverged is no missing value"
        )
    return values


def _test(
    n: int, mean: float, sd: float, error: float, degrees: float, margin: float, level: float
) -> PairedTests:
    def above(bound: float) -> float:
        """Return the one-sided p-value of "the true mean is at most `bound`"."""
        if error > 1e-12 * max(abs(mean), margin):
            return float(special.stdtr(degrees, (bound - mean) / error))
        return 0.0 if mean > bound + 1e-12 * margin else 1.0

    def below(bound: float) -> float:
        """Return the one-sided p-value of "the true mean is at least `bound`"."""
        if error > 1e-12 * max(abs(mean), margin):
            return float(special.stdtr(degrees, (mean - bound) / error))
        return 0.0 if mean < bound - 1e-12 * margin else 1.0

    half = float(special.stdtrit(degrees, 1 - level)) * error
    return PairedTests(
        n=n,
        mean=mean,
        sd=sd,
        error=error,
        degrees=degrees,
        low=mean - half,
        high=mean + half,
        p_non_inferior=above(-margin),
        p_worse=below(-margin),
        p_better=above(0.0),
        p_equal=max(above(-margin), below(margin)),
    )
