"""How many times fewer bytes a method needs than its baseline, with runs that miss the target."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, nan, sqrt
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from fedbytes.plots.inference.censored_normal import fit_censored
from fedbytes.plots.inference.seeds_needed import FEWEST_SEEDS
from fedbytes.plots.inference.target_hits import Hit

FEWEST_REACHED = 3  # runs with a known crossing that an estimate needs, of either side

Bound: TypeAlias = Literal["below", "above", "about", "unknown"]
_SIDES = {"between": 0, "missed": 1, "at once": -1}
_SIGNS = {"between": "=", "missed": ">", "at once": "<"}  # of a ratio, by its baseline's run
_TURNED = {"between": "=", "missed": "<", "at once": ">"}  # and by the method's own


@dataclass(frozen=True)
class BytesRatio:
    """The baseline's bytes to the target over the method's; above 1 is a saving.

    Attributes:
        ratio: of the geometric means, for `about`; the bound for `below` and `above`; else NaN.
        low, high: the interval; NaN where there is none.
        bound: `about` an estimate; `below` where no run of the method reaches the target, `above`
            where none of the baseline does; `unknown` where too few do for either.
        reached, base_reached, n: runs that reach it, of n pairs.
        extrapolated: whether fewer than half of the runs of either reach it, so that the estimate
            lies beyond what was run.
        seeds: each seed's ratio and its sign: `=`, `<`, `>` or `?`.
    """

    ratio: float
    low: float
    high: float
    bound: Bound
    reached: int
    base_reached: int
    n: int
    extrapolated: bool
    seeds: tuple[tuple[str, float], ...]


def censor(hits: Sequence[Hit]) -> stats.CensoredData:
    """Return the bytes of runs as `scipy.stats.CensoredData`: missed runs are right-censored."""
    return stats.CensoredData(
        uncensored=[hit.bytes for hit in hits if hit.kind == "between"],
        left=[hit.bytes for hit in hits if hit.kind == "at once"],
        right=[hit.bytes for hit in hits if hit.kind == "missed"],
    )


def geometric_mean(hits: Sequence[Hit]) -> float:
    """Return the geometric mean of bytes, with runs that miss counted as needing more than spent.

    Returns:
        NaN where fewer than three runs, or not all of fewer, have a known crossing.
    """
    values, sides = _logs(hits)
    return exp(float(fit_censored(values, sides)[0])) if _estimable(values, sides) else nan


def compare_bytes(own: Sequence[Hit], base: Sequence[Hit], level: float = 0.05) -> BytesRatio:
    """Compare the bytes to a target of a method and its baseline, paired by seed.

    The logarithms of bytes are normal, with each method's own deviation, and a run that misses is
    right-censored at what it spent. The interval is the jackknife's over seeds, so it keeps what a
    seed gives to both; without missed runs it is Student's paired interval of the logarithms.

    Args:
        own: [n] the method's runs.
        base: [n] the baseline's runs of the same seeds in the same order.
        level: of the two-sided interval, which needs five seeds.

    Raises:
        ValueError: if the numbers of runs differ or are 0.
    """
    if len(own) != len(base) or not own:
        raise ValueError(f"runs are compared in pairs, got {len(own)} and {len(base)}")
    (mine, sides), (theirs, base_sides) = _logs(own), _logs(base)
    bound, ratio = _bound(mine, sides, theirs, base_sides)
    low = high = nan
    if bound == "about" and len(own) >= FEWEST_SEEDS:
        half = _half_width(mine, sides, theirs, base_sides, level)
        low, high = ratio * exp(-half), ratio * exp(half)
    reached, base_reached = (sum(hit.reached for hit in hits) for hits in (own, base))
    return BytesRatio(
        ratio=ratio,
        low=low,
        high=high,
        bound=bound,
        reached=reached,
        base_reached=base_reached,
        n=len(own),
        extrapolated=bound == "about" and 2 * min(reached, base_reached) < len(own),
        seeds=tuple(_one(a, b) for a, b in zip(own, base, strict=True)),
    )


def _logs(hits: Sequence[Hit]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    return np.log([hit.bytes for hit in hits]), np.array([_SIDES[hit.kind] for hit in hits])


def _estimable(values: NDArray[np.float64], sides: NDArray[np.int64]) -> bool:
    """Return whether a censored fit means something, also with any one run left out."""
    known = values[sides == 0]
    if known.size == values.size:
        return True
    return known.size >= FEWEST_REACHED and np.unique(known).size >= 3


def _bound(
    mine: NDArray[np.float64],
    sides: NDArray[np.int64],
    theirs: NDArray[np.float64],
    base_sides: NDArray[np.int64],
) -> tuple[Bound, float]:
    """Return what is known of the ratio, and its value."""
    ours, reference = _estimable(mine, sides), _estimable(theirs, base_sides)
    # Where no crossing is known, all bounds of one side bound the mean.
    own = float(fit_censored(mine, sides)[0]) if ours else float(mine.mean())
    base = float(fit_censored(theirs, base_sides)[0]) if reference else float(theirs.mean())
    ratio = exp(base - own)
    if ours and reference:
        return "about", ratio
    above = (ours or (sides <= 0).all()) and (reference or (base_sides >= 0).all())
    below = (ours or (sides >= 0).all()) and (reference or (base_sides <= 0).all())
    # A mean over known and bounded crossings is a bound all the same, but a loose one: left out.
    mixed = any(
        not fine and (part == 0).any() for fine, part in ((ours, sides), (reference, base_sides))
    )
    if mixed or above == below:
        return "unknown", nan
    return ("above" if above else "below"), ratio


def _half_width(
    mine: NDArray[np.float64],
    sides: NDArray[np.int64],
    theirs: NDArray[np.float64],
    base_sides: NDArray[np.int64],
    level: float,
) -> float:
    n = mine.size
    kept = 1.0 - np.eye(n)
    own, base = (
        fit_censored(np.tile(values, (n, 1)), np.tile(side, (n, 1)), kept)[0]
        for values, side in ((mine, sides), (theirs, base_sides))
    )
    gaps = base - own
    error = sqrt((n - 1) / n * float(np.sum((gaps - gaps.mean()) ** 2)))
    return float(special.stdtrit(n - 1, 1 - level / 2)) * error


def _one(own: Hit, base: Hit) -> tuple[str, float]:
    """Return one seed's ratio, and what its sign is."""
    signs = {_SIGNS[base.kind], _TURNED[own.kind]} - {"="}
    sign = "?" if len(signs) == 2 else next(iter(signs), "=")
    return sign, nan if sign == "?" else base.bytes / own.bytes
