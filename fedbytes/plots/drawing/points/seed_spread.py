"""How far the seeds behind a mean lie apart: each seed where they are few, else an interval."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from fedbytes.plots.inference.seeds_needed import FEWEST_SEEDS
from fedbytes.plots.number_axis import drawn_values
from fedbytes.plots.tables.comparison import Metric
from fedbytes.plots.tables.statistics import t_interval


def draw_spread(axis: Axes, x: float, values: Sequence[float], metric: Metric, color: str) -> None:
    """Draw what stands around a mean at `x`: its seeds below five, its 95 % t interval from there.

    Args:
        axis: to draw on.
        x: where on it.
        values: of the seeds, as they are stored; NaN ones are left out.
        metric: whose values they are; an interval ends where its values do.
        color: of the mean's marker.
    """
    found = t_interval(values)
    if found.n < FEWEST_SEEDS:
        shown = drawn_values(values, metric.scale)
        axis.scatter([x] * len(shown), shown, s=9, color=color, alpha=0.6, linewidths=0)
        return
    ends = np.clip([found.low, found.high], *metric.range)
    low, middle, high = drawn_values([ends[0], found.mean, ends[1]], metric.scale)
    if np.isfinite([low, middle, high]).all():
        reach = [[middle - low], [high - middle]]
        axis.errorbar(x, middle, yerr=reach, fmt="none", color=color, linewidth=0.9)


def describe_spread(seeds: Sequence[int]) -> str:
    """Return what stands around means of so many seeds each, as part of a figure's note."""
    few, many = "small dots: seeds", "bars: 95 % t interval over seeds"
    if max(seeds) < FEWEST_SEEDS:
        return few
    return many if min(seeds) >= FEWEST_SEEDS else f"{few} below {FEWEST_SEEDS} of them; {many}"
