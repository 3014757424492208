"""The share of runs that have reached their target by so many bytes (Kaplan-Meier)."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from fedbytes.plots.inference.target_hits import Hit


@dataclass(frozen=True)
class ReachProfile:
    """A step function: from `bytes[i]` on, `share[i]` of the runs have reached their target.

    Attributes:
        bytes: [k] where a run gets there, ascending.
        share: [k] of all runs, those that stopped before included.
        low, high: [k] pointwise 95 % bounds, which take the runs as independent.
        reached, n: runs that get there, of all.
    """

    bytes: NDArray[np.float64]
    share: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    reached: int
    n: int


def profile_reached(hits: Sequence[Hit], scales: Sequence[float] | None = None) -> ReachProfile:
    """Return one minus the Kaplan-Meier estimate over runs, of one setting or of many.

    A run that misses its target counts until its last byte and not as one that never would. A run
    that is there at its first evaluation is taken to get there then.

    Args:
        hits: one a run.
        scales: what each run's bytes are divided by, such as its setting's baseline, so that
            settings of unlike size can be pooled; 1 by default.

    Raises:
        ValueError: for no run, or scales that are not one above 0 each.
    """
    if not hits:
        raise ValueError("a profile needs at least one run")
    units = np.ones(len(hits)) if scales is None else np.asarray(scales, dtype=np.float64)
    if units.shape != (len(hits),) or not (np.isfinite(units) & (units > 0)).all():
        raise ValueError(f"a profile needs one scale above 0 for each of {len(hits)} runs")
    paid = np.array([hit.bytes for hit in hits]) / units
    reached = np.array([hit.reached for hit in hits])
    if not reached.any():
        nothing = np.empty(0)
        return ReachProfile(nothing, nothing, nothing, nothing, 0, len(hits))
    found = stats.ecdf(stats.CensoredData.right_censored(paid, ~reached))
    with warnings.catch_warnings():  # that there are none where all or no runs are there
        warnings.simplefilter("ignore", RuntimeWarning)
        band = found.sf.confidence_interval(0.95, method="log-log")
    steps = np.isin(found.sf.quantiles, paid[reached])
    low, high = 1 - band.high.probabilities[steps], 1 - band.low.probabilities[steps]
    share = 1 - found.sf.probabilities[steps]
    # Where the library has no bounds, nothing is known but 0 to 1.
    return ReachProfile(
        bytes=np.asarray(found.sf.quantiles[steps]),
        share=np.asarray(share),
        low=np.where(np.isfinite(low), low, 0.0),
        high=np.where(np.isfinite(high), high, 1.0),
        reached=int(reached.sum()),
        n=len(hits),
    )
