"""Bytes to reach a target metric, by seed, and their ratio to the baseline."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, nan

import pandas as pd

from fedbytes.experiments.config.target import RELATIVE, Target
from fedbytes.plots.tables.comparison import Comparison, Setting
from fedbytes.plots.tables.statistics import Interval, geometric_interval, pair_by_seed

FRACTION = 0.98


@dataclass(frozen=True)
class TargetBytes:
    """The bytes that one codec needs to reach the target in one setting.

    Attributes:
        bytes: cumulative bytes at the first evaluated round at or past the target, geometric
            mean over the seeds that reach it.
        ratio: the baseline's bytes over this codec's, paired by seed, geometric mean; above 1 is
            a saving.
        reached, seeds: how many runs reach the target, of how many.
        spent: mean bytes of a whole run; a lower bound for runs that do not reach the target.
    """

    codec: str
    bytes: Interval
    ratio: Interval
    reached: int
    seeds: int
    spent: float


def resolve_target(comparison: Comparison, setting: Setting, target: Target) -> tuple[float, str]:
    """Return the value of `target` in a setting, and where it comes from in words.

    By default it is 98 % of the baseline's final mean; for a metric that falls, such as
    perplexity, the final mean over 0.98. Without a baseline it is taken from the best codec.
    """
    if isinstance(target, int | float):
        return float(target), "given"
    source, value = _final_mean(comparison, setting)
    if target is not None:
        found = RELATIVE.fullmatch(target)
        if found is None:
            raise ValueError(f"target {target!r} is not what parse_target returns")
        sign, size = found.groups()
        scale = comparison.metric.scale
        words = f"{source}'s final mean {sign.replace('-', '−')} {float(size) * scale:g}"
        return value + float(sign + size), words
    if comparison.metric.rises:
        return value * FRACTION, f"98 % of {source}'s final mean"
    return value / FRACTION, f"{source}'s final mean / 0.98"


def _final_mean(comparison: Comparison, setting: Setting) -> tuple[str, float]:
    """Return the baseline, or the best codec where there is none, and its final mean."""
    means = comparison.final(setting).groupby("codec")["value"].mean()
    final = {str(codec): float(value) for codec, value in means.items()}
    source = comparison.baseline
    if source is None or not isfinite(final.get(source, nan)):
        finite = {codec: value for codec, value in final.items() if isfinite(value)} or final
        source = (max if comparison.metric.rises else min)(finite, key=finite.__getitem__)
    return source, final[source]


def find_bytes_to_target(
    comparison: Comparison, setting: Setting, codec: str, target: float
) -> dict[int, float]:
    """Return cumulative bytes at the first evaluated round past the target; NaN if never.

    The state before the first round is left out: nothing was sent for it.
    """
    rows = setting.rows[setting.rows["codec"] == codec].sort_values("round")
    found = {}
    for seed, whole in rows.groupby("seed"):
        run = whole[whole["total_bytes"] > 0]
        values = run[comparison.metric.name]
        past = run[values >= target] if comparison.metric.rises else run[values <= target]
        found[int(str(seed))] = nan if past.empty else float(past["total_bytes"].iloc[0])
    return found


def measure_target_bytes(
    comparison: Comparison, setting: Setting, target: float
) -> list[TargetBytes]:
    """Return how each codec of a setting reaches the target, in the order of the comparison."""
    spent = comparison.final(setting).groupby("codec")["total_bytes"].mean()
    codecs = comparison.present(setting)
    needed = {codec: find_bytes_to_target(comparison, setting, codec, target) for codec in codecs}
    reference = needed.get(comparison.baseline or "", {})
    return [
        _reach(codec, needed[codec], reference, spent)
        if spent[codec] > 0
        else _reach_silently(comparison, setting, codec, target)
        for codec in codecs
    ]


def _reach_silently(
    comparison: Comparison, setting: Setting, codec: str, target: float
) -> TargetBytes:
    """Return how a codec reaches the target that sends nothing: for 0 bytes, or not."""
    rows = setting.rows[(setting.rows["codec"] == codec) & (setting.rows["round"] > 0)]
    values = rows[comparison.metric.name]
    past = rows[values >= target if comparison.metric.rises else values <= target]
    reached, nothing = past["seed"].nunique(), Interval(nan, nan, nan, 0)
    return TargetBytes(
        codec=codec,
        bytes=Interval(0.0, nan, nan, reached) if reached else nothing,
        ratio=nothing,
        reached=reached,
        seeds=rows["seed"].nunique(),
        spent=0.0,
    )


def _reach(
    codec: str, needed: Mapping[int, float], reference: Mapping[int, float], spent: pd.Series
) -> TargetBytes:
    pairs = pair_by_seed(dict(needed), dict(reference))
    return TargetBytes(
        codec=codec,
        bytes=geometric_interval(needed.values()),
        ratio=geometric_interval(base / own for _, own, base in pairs),
        reached=sum(isfinite(value) for value in needed.values()),
        seeds=len(needed),
        spent=float(spent[codec]),
    )
