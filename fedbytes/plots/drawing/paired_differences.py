"""Differences to the baseline, paired by seed: the same data, clients and initial weights."""

from dataclasses import dataclass

from fedbytes.experiments.config.target import Target
from fedbytes.plots.inference.bytes_ratio import BytesRatio
from fedbytes.plots.tables.comparison import Comparison, Setting
from fedbytes.plots.tables.constant_answer import read_constant
from fedbytes.plots.tables.statistics import Interval, pair_by_seed, t_interval
from fedbytes.plots.tables.store_tables import Tables
from fedbytes.plots.verdicts.target_choice import read_hits, settle_targets
from fedbytes.plots.verdicts.target_ratios import compare_hits


@dataclass(frozen=True)
class Difference:
    """A codec against the baseline in one setting; by seed, and the mean with its interval.

    Attributes:
        metric: codec minus baseline at the end, in the metric's own unit.
        metrics: the values of the seeds behind it.
        ratio: baseline's bytes to the target over the codec's; None where no seed has both.
        too_easy: whether the target is so close to a constant answer that there is no ratio.
    """

    codec: str
    metric: Interval
    metrics: tuple[float, ...]
    ratio: BytesRatio | None
    too_easy: bool = False


def compare_with_baseline(
    tables: Tables, comparison: Comparison, setting: Setting, target: Target = None
) -> list[Difference]:
    """Return each codec of a setting against the baseline; nothing if there is none.

    Runs that miss the target count as needing more than they spent (see `compare_bytes`).
    """
    base = comparison.baseline
    if base is None or base not in comparison.present(setting):
        return []
    final = comparison.final(setting)
    values = comparison.by_seed(final, base, "value")
    constant = read_constant(tables, setting, comparison.metric.name)
    goal = settle_targets(comparison, setting, target, (), constant)[-1]
    hits = read_hits(tables, comparison, setting, goal)
    found = []
    for codec in comparison.present(setting):
        if codec != base:
            ends = pair_by_seed(comparison.by_seed(final, codec, "value"), values)
            gaps = tuple(own - reference for _, own, reference in ends)
            ratio = None if goal.hollow else compare_hits(hits[codec], hits[base])
            found.append(Difference(codec, t_interval(gaps), gaps, ratio, goal.hollow))
    return found
