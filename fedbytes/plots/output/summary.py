"""The summary table: a row per setting and codec, as numbers, Markdown and CSV."""

from collections.abc import Callable, Iterable
from math import isfinite, nan
from typing import Any

import pandas as pd

from fedbytes.experiments.config.target import Target
from fedbytes.labels import markdown_line
from fedbytes.plots.drawing.paired_differences import compare_with_baseline
from fedbytes.plots.inference.bytes_ratio import geometric_mean
from fedbytes.plots.inference.seeds_needed import FEWEST_SEEDS
from fedbytes.plots.number_words import format_bytes
from fedbytes.plots.tables.comparison import (
    Comparison,
    Metric,
    Setting,
    compare_codecs,
    metric_named,
)
from fedbytes.plots.tables.csv_text import csv_text
from fedbytes.plots.tables.statistics import t_interval
from fedbytes.plots.tables.store_tables import Tables
from fedbytes.plots.tables.target_bytes import measure_target_bytes, resolve_target
from fedbytes.plots.verdicts.question import ask
from fedbytes.plots.verdicts.target_choice import SettledTarget, read_hits
from fedbytes.plots.verdicts.target_columns import is_near_constant
from fedbytes.plots.verdicts.target_ratios import describe_ratio

_PHASES = ("train", "evaluate", "encode", "decode", "aggregate", "other")


def summary(
    tables: Tables,
    metric: str | None = None,
    target: Target = None,
    baseline: str | None = None,
) -> pd.DataFrame:
    """Return a row per setting and codec, in raw units.

    What is not given is as the runs' protocol declares (see `ask`), final values are those of
    `Tables.window`.

    Columns:
        setting, heterogeneity (NMI), codec, seeds.
        metric, value, value_half: final metric, mean and half its 95 % interval; values by seed.
        difference, difference_half, differences: likewise, to the baseline, paired by seed.
        start, gain, gain_half, gains: the metric before round 1 and its change since, paired by
            seed; NaN where runs did not `evaluate_start`.
        total_bytes: mean of a run, both ways, all clients.
        target, bytes_to_target, reached: geometric mean, in which runs that miss it count as
            needing more than they spent, and how many reach it for good (see `find_hit`).
        ratio, ratio_low, ratio_high: the baseline's bytes to target over the codec's, paired by
            seed (see `compare_bytes`); the interval from five seeds on. times_fewer: in words.
        too_easy: whether a constant answer comes near the target, so that no bytes are given.
        seconds: mean of a run, set-up left out.
        overhead: share of those seconds outside local training and evaluation.

    Unknown values are NaN: intervals of one seed, ratios without a baseline.

    Raises:
        NothingToDrawError: if no run has the metric.
    """
    asked = ask(tables, metric, None, baseline, target)
    comparison = compare_codecs(tables, asked.metric, asked.baseline)
    spent = _seconds(tables.runs)
    rows = [
        row
        for setting in comparison.settings
        for row in _rows(tables, comparison, setting, asked.target, spent)
    ]
    return pd.DataFrame(rows)


def _rows(
    tables: Tables, comparison: Comparison, setting: Setting, target: Target, spent: pd.DataFrame
) -> list[dict[str, Any]]:
    goal, _ = resolve_target(comparison, setting, target)
    gaps = {one.codec: one for one in compare_with_baseline(tables, comparison, setting, goal)}
    hits = read_hits(tables, comparison, setting, SettledTarget(goal, "given"))
    near = is_near_constant(tables, comparison, setting, goal)
    final = comparison.final(setting).join(spent, on="run")
    begun = comparison.initial(setting).set_index("run")["value"]
    rows = []
    for item in measure_target_bytes(comparison, setting, goal):
        own = final[final["codec"] == item.codec].sort_values("seed")
        value = t_interval(own["value"])
        gap = gaps.get(item.codec)
        before = own["run"].map(begun).astype(float)
        gained = t_interval(own["value"] - before)
        runs, ratio = [*hits[item.codec].values()], gap.ratio if gap and not near else None
        itself = item.codec == comparison.baseline and any(hit.reached for hit in runs) and not near
        needed = geometric_mean(runs) if runs else item.bytes.mean
        rows.append(
            {
                "setting": setting.title,
                "heterogeneity": setting.heterogeneity,
                "codec": item.codec,
                "seeds": item.seeds,
                "metric": comparison.metric.name,
                "value": value.mean,
                "value_half": value.half,
                "values": _list(own["value"]),
                "difference": gap.metric.mean if gap else nan,
                "difference_half": gap.metric.half if gap else nan,
                "differences": _list(gap.metrics) if gap else "",
                "start": float(before.mean()),
                "gain": gained.mean,
                "gain_half": gained.half,
                "gains": _list(own["value"] - before),
                "total_bytes": item.spent,
                "target": goal,
                "bytes_to_target": nan if near else needed,
                "reached": sum(hit.reached for hit in runs) if runs else item.reached,
                "ratio": ratio.ratio if ratio else (1.0 if itself else nan),
                "ratio_low": ratio.low if ratio else nan,
                "ratio_high": ratio.high if ratio else nan,
                "times_fewer": describe_ratio(ratio, FEWEST_SEEDS) if ratio else "–",
                "too_easy": near,
                "seconds": float(own["run_seconds"].mean()),
                "overhead": float(own["run_overhead"].mean()),
            }
        )
    return rows


def _list(values: Iterable[float]) -> str:
    """Return the values of the seeds, in their order, as text."""
    return " ".join(f"{value:.6g}" for value in values if value == value)


def _seconds(runs: pd.DataFrame) -> pd.DataFrame:
    """Return run_seconds without set-up, and the share outside training and evaluation."""
    if "run" not in runs:
        return pd.DataFrame({"run_seconds": [], "run_overhead": []})
    phases = pd.DataFrame(
        {
            phase: pd.to_numeric(runs.get(f"seconds_{phase}", nan), "coerce")
            for phase in (*_PHASES, "overlap")
        },
        index=runs.index,
    )
    # What several processes did at the same time counts once; it is told as less than zero.
    total = phases.sum(axis=1, min_count=1)
    useful = phases[["train", "evaluate", "overlap"]].sum(axis=1)
    table = pd.DataFrame({"run_seconds": total, "run_overhead": 1 - useful / total})
    return table.set_axis(runs["run"], axis="index")


def summary_text(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the summary as it is printed: rounded, with units and `±`; a dash for unknown."""
    if frame.empty:
        return pd.DataFrame()
    metric = shown_metric(frame)
    columns: dict[str, Callable[[Any], str]] = {
        "Setting": lambda row: str(row.setting),
        "Codec": lambda row: str(row.codec),
        f"Final {metric.label[0].lower()}{metric.label[1:]}": lambda row: _final(row, metric),
        "To baseline": lambda row: _signed(
            row.difference, row.difference_half, row.differences, metric
        ),
        "From": lambda row: metric.show(row.start),
        "Gain": lambda row: _signed(row.gain, row.gain_half, row.gains, metric),
        "Total": lambda row: format_bytes(row.total_bytes),
        "Target": lambda row: ("≥ " if metric.rises else "≤ ") + metric.show(row.target),
        "To target": lambda row: _reached(row),
        "Ratio": lambda row: _ratio(row),
        "Seconds": lambda row: f"{row.seconds:.0f}" if isfinite(row.seconds) else "–",
        "Overhead": lambda row: f"{row.overhead * 100:.1f} %" if isfinite(row.overhead) else "–",
    }
    rows = list(frame.itertuples())
    shown = pd.DataFrame({name: [show(row) for row in rows] for name, show in columns.items()})
    empty = [
        name
        for name in ("To baseline", "From", "Gain", "Ratio", "Seconds", "Overhead")
        if (shown[name] == "–").all()
    ]
    return shown.drop(columns=empty)


def to_markdown(frame: pd.DataFrame) -> str:
    """Return the summary as a Markdown table; what Markdown would read as its own is escaped."""
    return as_markdown(summary_text(frame))


def as_markdown(shown: pd.DataFrame) -> str:
    """Return a table of texts as a Markdown table, escaped likewise."""
    rows = [[markdown_line(cell) for cell in row] for row in (shown.columns, *shown.to_numpy())]
    rows.insert(1, ["---"] * shown.shape[1])
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)


def to_csv(frame: pd.DataFrame) -> str:
    """Return the summary in raw units as CSV."""
    return csv_text(frame)


def shown_metric(frame: pd.DataFrame) -> Metric:
    """Return the metric that a summary is of."""
    name = str(frame["metric"].iloc[0])
    return metric_named(name)


def _final(row: Any, metric: Metric) -> str:
    """Return a mean with its interval; below five seeds with the seeds instead."""
    mean, seeds = metric.show(row.value), row.values.split()
    if len(seeds) >= FEWEST_SEEDS:
        return f"{mean} ± {metric.show(row.value_half)} (n = {row.seeds})"
    if len(seeds) < 2:
        return f"{mean} (n = {row.seeds})"
    return f"{mean} ({', '.join(metric.show(float(seed)) for seed in seeds)})"


def _signed(value: float, half: float, seeds: str, metric: Metric) -> str:
    if not isfinite(value):
        return "–"
    single = [_sign(float(seed), metric) for seed in seeds.split()]
    if len(single) >= FEWEST_SEEDS:
        return f"{_sign(value, metric)} ± {metric.show(half)}"
    return _sign(value, metric) + (f" ({', '.join(single)})" if len(single) > 1 else "")


def _sign(value: float, metric: Metric) -> str:
    sign = "−" if value < 0 else "+"
    return f"{sign}{metric.show(abs(value))}"


def _reached(row: Any) -> str:
    if row.too_easy:
        return "too easy"
    if not row.reached:
        return "not reached"
    if not isfinite(row.bytes_to_target):
        return f"{row.reached} of {row.seeds} seeds"
    part = f" ({row.reached} of {row.seeds})" if row.reached < row.seeds else ""
    return format_bytes(row.bytes_to_target) + part


def _ratio(row: Any) -> str:
    return "1" if row.times_fewer == "–" and row.ratio == 1.0 else str(row.times_fewer)
