"""How each seed of each method ended in one setting, with those that failed or are not there."""

from math import exp, isfinite

from fedbytes.plots.tables.comparison import Comparison, Setting
from fedbytes.plots.tables.store_tables import Tables
from fedbytes.plots.verdicts.run_ends import analyse_logarithm, read_ends


def tabulate_seeds(
    tables: Tables, comparison: Comparison, setting: Setting
) -> tuple[list[int], list[tuple[str, list[str]]]]:
    """Return the seeds of a setting, and each method's final values in that order.

    A run that failed or diverged says `failed`, one that is not there `missing`.
    """
    ends = read_ends(tables, comparison, setting)
    seeds = sorted({s for found in ends.values() for s in (*found.values, *found.missing)})
    logs = analyse_logarithm(comparison.metric)

    def show(method: str, seed: int) -> str:
        found = ends[method]
        value = found.values.get(seed)
        if value is not None and isfinite(value):
            return comparison.metric.show(exp(value) if logs and value < 700 else value)
        return "failed" if seed in found.failed else "missing"

    return seeds, [(method, [show(method, seed) for seed in seeds]) for method in ends]
