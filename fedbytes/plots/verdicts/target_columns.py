"""The columns of a table of verdicts about the bytes to the target."""

from collections.abc import Sequence
from math import nan
from typing import Any

from fedbytes.experiments.config.target import Target
from fedbytes.plots.inference.seeds_needed import FEWEST_SEEDS
from fedbytes.plots.inference.target_hits import check_target
from fedbytes.plots.tables.comparison import Comparison, Setting
from fedbytes.plots.tables.constant_answer import read_constant
from fedbytes.plots.tables.store_tables import Tables
from fedbytes.plots.tables.target_bytes import resolve_target
from fedbytes.plots.verdicts.target_ratios import (
    compare_hits,
    describe_ratio,
    describe_reached,
    find_hits,
)

TOO_NEAR = "which a constant answer comes near, so no bytes are counted up to it"


def describe_targets(
    tables: Tables,
    comparison: Comparison,
    setting: Setting,
    baseline: str,
    targets: Sequence[Target],
) -> dict[str, dict[str, Any]]:
    """Return the columns about the bytes to the first target, by codec, and the others in words.

    Raises:
        ValueError: as `describe_target`.
    """
    first, *others = targets or (None,)
    found = describe_target(tables, comparison, setting, baseline, first)
    beside = [describe_target(tables, comparison, setting, baseline, other) for other in others]
    for codec, columns in found.items():
        words = [
            f"{comparison.metric.show(other[codec]['target'])}: {other[codec]['to_target']}"
            + (f", {other[codec]['times_fewer']}" if other[codec]["times_fewer"] != "–" else "")
            for other in beside
        ]
        columns["other_targets"] = "; ".join(words)
    return found


def describe_target(
    tables: Tables, comparison: Comparison, setting: Setting, baseline: str, target: Target
) -> dict[str, dict[str, Any]]:
    """Return the columns about the bytes to the target, by codec.

    Raises:
        ValueError: if a target that was given as a number is within five points of what a constant
            answer reaches. Of one that follows from the baseline, no ratio is given there.
    """
    goal, source = resolve_target(comparison, setting, target)
    near = is_near_constant(tables, comparison, setting, goal, strict=source == "given")
    hits = find_hits(tables, comparison, setting, goal)
    found = {}
    for codec, own in hits.items():
        ratio = None if near else compare_hits(own, hits.get(baseline, {}))
        found[codec] = {
            "target": goal,
            "target_source": f"{source}, {TOO_NEAR}" if near else source,
            "reached": sum(hit.reached for hit in own.values()),
            "runs": len(own),
            "base_reached": sum(hit.reached for hit in hits.get(baseline, {}).values()),
            "ratio": ratio.ratio if ratio else nan,
            "ratio_low": ratio.low if ratio else nan,
            "ratio_high": ratio.high if ratio else nan,
            "ratio_bound": ratio.bound if ratio else "unknown",
            "to_target": "–" if near else describe_reached(own),
            "times_fewer": describe_ratio(ratio, FEWEST_SEEDS) if ratio else "–",
        }
    return found


def is_near_constant(
    tables: Tables, comparison: Comparison, setting: Setting, target: float, strict: bool = False
) -> bool:
    """Return whether a target is within five points of what a constant answer reaches.

    False where it is not known: of stores from before, and of metrics other than accuracy.

    Args:
        tables: of a store.
        comparison: of one metric.
        setting: whose runs they are.
        target: in the metric's unit.
        strict: raise instead of returning True.

    Raises:
        ValueError: with `strict`, naming what a constant answer reaches.
    """
    constant = read_constant(tables, setting, comparison.metric.name)
    if constant is None:
        return False
    try:
        check_target(target, constant)
    except ValueError:
        if strict:
            raise
        return True
    return False
