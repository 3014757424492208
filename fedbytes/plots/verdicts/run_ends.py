"""How each run of a setting ends: the mean of its last evaluations, and what is missing."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, log, nan

import pandas as pd

from fedbytes.experiments.config.declaration.protocol import parse_final
from fedbytes.plots.tables.comparison import Comparison, Metric, Setting
from fedbytes.plots.tables.store_tables import Tables


@dataclass(frozen=True)
class RunEnds:
    """The final values of one codec's runs in one setting.

    Attributes:
        values: by seed, in the metric's unit (perplexity: its logarithm); NaN for a run that
            diverged.
        missing: seeds that others of the setting have and this codec has no run of.
        failed: those of them whose run failed or never had the metric, and those whose run
            diverged.
        evaluations, most_evaluations: the fewest and the most that a value is the mean of.
    """

    values: Mapping[int, float]
    missing: tuple[int, ...]
    failed: tuple[int, ...]
    evaluations: int
    most_evaluations: int


def analyse_logarithm(metric: Metric) -> bool:
    """Return whether differences of a metric are those of its logarithm: so for perplexity."""
    return metric.name == "perplexity"


def read_ends(
    tables: Tables, comparison: Comparison, setting: Setting, final: str | None = None
) -> dict[str, RunEnds]:
    """Return how the runs of a setting end, by codec.

    The state before the first round is no evaluation of the training, and left out. A run with
    fewer evaluations than `final` asks for gives the mean of those it has; without `final` the
    comparison's own window is taken.
    """
    window = comparison.window if final is None else parse_final(final)
    name = comparison.metric.name
    rows = tables.finished()
    rows = rows[rows["run"].isin(set(setting.rows["run"])) & (rows["round"] > 0)]
    values: dict[str, dict[int, float]] = {codec: {} for codec in comparison.present(setting)}
    counts: dict[str, list[int]] = {codec: [] for codec in values}
    for _, run in rows.sort_values("round").groupby("run", sort=False):
        last = run[name].tail(window)
        codec, seed = str(run["codec"].iloc[0]), int(run["seed"].iloc[0])
        values[codec][seed] = _mean([float(v) for v in last], analyse_logarithm(comparison.metric))
        counts[codec].append(len(last))
    every = {seed for found in values.values() for seed in found}
    return {
        codec: _ends(found, every, _lost_seeds(tables, setting, codec), counts[codec])
        for codec, found in values.items()
    }


def _mean(values: list[float], logarithm: bool) -> float:
    if not all(isfinite(value) and (value > 0 or not logarithm) for value in values):
        return nan
    return sum(log(v) if logarithm else v for v in values) / len(values) if values else nan


def _ends(
    values: dict[int, float], every: set[int], failed: set[int], counts: list[int]
) -> RunEnds:
    missing = every - set(values)
    diverged = {seed for seed, value in values.items() if not isfinite(value)}
    lost = diverged | (failed - set(values))
    ordered = dict(sorted(values.items()))
    fewest, most = min(counts, default=0), max(counts, default=0)
    return RunEnds(ordered, tuple(sorted(missing)), tuple(sorted(lost)), fewest, most)


def _lost_seeds(tables: Tables, setting: Setting, codec: str) -> set[int]:
    """Return the seeds of a codec whose run failed in this setting, or never had the metric."""
    seeds = set()
    for frame in (tables.failed(), tables.finished()):
        if not frame.empty and "seed" in frame:
            gone = _is_of(frame, setting, codec) & ~frame["run"].isin(set(setting.rows["run"]))
            seeds |= {int(seed) for seed in frame.loc[gone, "seed"]}
    return seeds


def _is_of(frame: pd.DataFrame, setting: Setting, codec: str) -> "pd.Series[bool]":
    """Return which rows agree with a setting and codec in all columns that they have of them."""
    named = pd.Series(False, index=frame.index)
    for column in ("label", "codec"):
        if column in frame:
            named |= frame[column].astype(str) == codec
    for key, value in setting.keys.items():
        if key in frame and not pd.isna(value) and value != "":
            named &= frame[key] == value
    return named
