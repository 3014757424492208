"""Final values of codecs beside the baseline's, paired by seed."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import isfinite

from fedbytes.plots.tables.comparison import Comparison, Metric, check_baseline, compare_codecs
from fedbytes.plots.tables.store_tables import Tables
from fedbytes.plots.verdicts.run_ends import RunEnds


@dataclass(frozen=True)
class PairedEnds:
    """A codec's final values beside the baseline's, over the seeds that both have.

    Attributes:
        seeds: those that both have a final value of.
        own, base: the values, in that order.
        differences: own minus base, turned so that more is better.
        missing: seeds that the setting has and one of the two has not.
        failed: seeds at which the codec's run failed or diverged.
        evaluations, most_evaluations: the fewest and the most that a value is the mean of.
    """

    codec: str
    seeds: tuple[int, ...]
    own: tuple[float, ...]
    base: tuple[float, ...]
    differences: tuple[float, ...]
    missing: tuple[int, ...]
    failed: tuple[int, ...]
    evaluations: int
    most_evaluations: int


def compare_to_baseline(
    tables: Tables, metric: str | None, baseline: str | None
) -> tuple[Comparison, str]:
    """Return the comparison of a store's codecs, and the baseline that it surely has.

    Raises:
        NothingToDrawError: if no run has the metric.
        ValueError: if no run is finished, there is no such baseline, or nothing else.
    """
    if "status" in tables.runs and not (tables.runs["status"] == "done").any():
        raise ValueError(
            "no run of the store is finished, and runs that were cut cannot be compared: sweep it "
            "again to resume"
        )
    check_baseline(tables, baseline)
    comparison = compare_codecs(_with_loss(tables, metric), metric, baseline)
    name = comparison.metric.name
    if comparison.baseline is None:
        known = "; ".join(sorted(set(comparison.codecs)))
        missing = f"{baseline!r} has no {name}" if baseline else "no run sends fp32 both ways"
        raise ValueError(f"{missing}: name what to compare with by --baseline (known: {known})")
    if len(comparison.codecs) < 2:
        raise ValueError(
            f"there is nothing to compare: only {comparison.baseline!r} has the metric {name}"
        )
    return comparison, comparison.baseline


def _with_loss(tables: Tables, metric: str | None) -> Tables:
    """Return tables in which the loss, if it is asked for, is every task's main metric.

    It is the quietest metric, and tasks with accuracy or perplexity have it too.
    """
    if metric != "loss":
        return tables
    rows = tables.results.drop(columns=["accuracy", "perplexity"], errors="ignore")
    return replace(tables, results=rows)


def pair_ends(ends: dict[str, RunEnds], baseline: str, metric: Metric) -> Iterator[PairedEnds]:
    """Yield each codec of a setting paired with its baseline; nothing where that has no run."""
    if baseline not in ends:
        return
    reference, sign = ends[baseline], 1.0 if metric.rises else -1.0
    every = {seed for found in ends.values() for seed in (*found.values, *found.missing)}
    for codec, mine in ends.items():
        if codec == baseline:
            continue
        pairs = {
            seed: (value, reference.values[seed])
            for seed, value in mine.values.items()
            if seed in reference.values and isfinite(value) and isfinite(reference.values[seed])
        }
        yield PairedEnds(
            codec=codec,
            seeds=tuple(pairs),
            own=tuple(own for own, _ in pairs.values()),
            base=tuple(base for _, base in pairs.values()),
            differences=tuple(sign * (own - base) for own, base in pairs.values()),
            missing=tuple(sorted(every - set(pairs))),
            failed=mine.failed,
            evaluations=min(mine.evaluations, reference.evaluations),
            most_evaluations=max(mine.most_evaluations, reference.most_evaluations),
        )
