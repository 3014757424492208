"""Differences to the baseline, paired by seed: the same data, clients and initial weights."""

from dataclasses import dataclass

from fedbytes.experiments.config.target import Target
from fedbytes.plots.tables.comparison import Comparison, Setting
from fedbytes.plots.tables.statistics import Interval, geometric_interval, pair_by_seed, t_interval
from fedbytes.plots.tables.target_bytes import find_bytes_to_target, resolve_target


@dataclass(frozen=True)
class Difference:
    """A codec against the baseline in one setting; by seed, and the mean with its interval.

    Attributes:
        metric: codec minus baseline at the end, in the metric's own unit.
        ratio: baseline's bytes to the target over the codec's, geometric mean.
        metrics, ratios: the values of the seeds behind them.
    """

    codec: str
    metric: Interval
    ratio: Interval
    metrics: tuple[float, ...]
    ratios: tuple[float, ...]


def compare_with_baseline(
    comparison: Comparison, setting: Setting, target: Target = None
) -> list[Difference]:
    """Return each codec of a setting against the baseline; nothing if there is none."""
    base = comparison.baseline
    if base is None or base not in comparison.present(setting):
        return []
    final = comparison.final(setting)
    goal = resolve_target(comparison, setting, target)[0]
    values, needed = (
        comparison.by_seed(final, base, "value"),
        find_bytes_to_target(comparison, setting, base, goal),
    )
    found = []
    for codec in comparison.present(setting):
        if codec != base:
            ends = pair_by_seed(comparison.by_seed(final, codec, "value"), values)
            costs = pair_by_seed(find_bytes_to_target(comparison, setting, codec, goal), needed)
            gaps = tuple(own - reference for _, own, reference in ends)
            ratios = tuple(reference / own for _, own, reference in costs)
            found.append(
                Difference(codec, t_interval(gaps), geometric_interval(ratios), gaps, ratios)
            )
    return found
