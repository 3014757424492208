"""The power of a non-inferiority test, and the seeds that a verdict needs."""

from math import isfinite, sqrt

import numpy as np
from scipy import special, stats

from fedbytes.plots.inference.paired_tests import LEVEL, check_margin

FEWEST_SEEDS = 5  # below, no verdict: three seeds know a deviation to a factor of 6
POWER = 0.8
MOST_SEEDS = 10_000


def compute_power(
    n: int, sd: float, margin: float, difference: float = 0.0, level: float = LEVEL
) -> float:
    """Return the probability that n seeds show non-inferiority.

    Args:
        n: seeds, at least 2.
        sd: of the paired differences.
        margin: above 0, in the same unit.
        difference: the true one; below 0 the method loses.
        level: of the test; divide it by the number of methods for Holm's hardest step.

    Raises:
        ValueError: for a value out of its range.
    """
    check_margin(margin)
    if n < 2 or not (isfinite(sd) and sd >= 0) or not 0 < level < 1:
        raise ValueError(
            f"power needs two seeds or more, a deviation of at least 0 and a level between 0 and "
            f"1, got n={n}, sd={sd!r}, level={level!r}"
        )
    room = margin + difference
    if sd <= 1e-12 * abs(room):
        return float(room > 0)
    critical = float(special.stdtrit(n - 1, 1 - level))
    shift = room / (sd / sqrt(n))
    found = float(stats.nct.sf(critical, n - 1, shift))
    # Far from its centre the library gives NaN, where the answer is 0 or 1 to many digits.
    return found if isfinite(found) else float(shift > critical)


def count_seeds(
    sd: float,
    margin: float,
    power: float = POWER,
    difference: float = 0.0,
    level: float = LEVEL,
) -> int | None:
    """Return the fewest seeds that show non-inferiority with this probability.

    Returns:
        at least 5, below which there is no verdict; None where 10,000 do not suffice, or where the
        true difference is at or beyond the margin.

    Raises:
        ValueError: for a value out of its range.
    """
    if not 0 < power < 1:
        raise ValueError(f"power is a probability between 0 and 1, got {power!r}")

    def enough(n: int) -> bool:
        return compute_power(n, sd, margin, difference, level) >= power

    if margin + difference <= 0 or not enough(MOST_SEEDS):
        return None
    low, high = FEWEST_SEEDS - 1, MOST_SEEDS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def bound_sd(sd: float, n: int, share: float = 0.8) -> tuple[float, float]:
    """Return the interval that holds the true deviation with probability `share`.

    Args:
        sd: measured over n values.
        n: at least 2.
        share: confidence.
    """
    tails = np.array([1 + share, 1 - share]) / 2
    low, high = sd * np.sqrt((n - 1) / stats.chi2.ppf(tails, n - 1))
    return float(low), float(high)
