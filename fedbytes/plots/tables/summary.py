"""The summary table: a row per setting and codec, as numbers, Markdown and CSV."""

from collections.abc import Callable
from math import isfinite, nan
from typing import Any

import pandas as pd

from fedbytes.experiments.config.target import Target
from fedbytes.labels import markdown_line
from fedbytes.plots.number_words import format_bytes
from fedbytes.plots.tables.comparison import (
    Comparison,
    Metric,
    Setting,
    compare_codecs,
    metric_named,
)
from fedbytes.plots.tables.csv_text import csv_text
from fedbytes.plots.tables.paired_differences import compare_with_baseline
from fedbytes.plots.tables.statistics import t_interval
from fedbytes.plots.tables.store_tables import Tables
from fedbytes.plots.tables.target_bytes import measure_target_bytes, resolve_target

_PHASES = ("train", "evaluate", "encode", "decode", "aggregate", "other")


def summary(
    tables: Tables,
    metric: str | None = None,
    target: Target = None,
    baseline: str | None = None,
) -> pd.DataFrame:
    """Return a row per setting and codec, in raw units.

    Columns:
        setting, heterogeneity (NMI), codec, seeds.
        metric, value, value_half: final metric, mean and half its 95 % interval.
        difference, difference_half: to the baseline, paired by seed.
        start, gain, gain_half: the metric before round 1 and its change since, paired by seed; NaN
            where runs did not `evaluate_start`.
        total_bytes: mean of a run, both ways, all clients.
        target, bytes_to_target, reached: geometric mean over the seeds that reach it.
        ratio, ratio_low, ratio_high: the baseline's bytes to target over the codec's, paired by
            seed, geometric mean and 95 % interval.
        seconds: mean of a run, set-up left out.
        overhead: share of those seconds outside local training and evaluation.

    Unknown values are NaN: intervals of one seed, ratios without a baseline.

    Raises:
        NothingToDrawError: if no run has the metric.
    """
    comparison = compare_codecs(tables, metric, baseline)
    spent = _seconds(tables.runs)
    rows = [
        row for setting in comparison.settings for row in _rows(comparison, setting, target, spent)
    ]
    return pd.DataFrame(rows)


def _rows(
    comparison: Comparison, setting: Setting, target: Target, spent: pd.DataFrame
) -> list[dict[str, Any]]:
    goal = resolve_target(comparison, setting, target)[0]
    gaps = {found.codec: found.metric for found in compare_with_baseline(comparison, setting, goal)}
    final = comparison.final(setting).join(spent, on="run")
    begun = comparison.initial(setting).set_index("run")["value"]
    rows = []
    for item in measure_target_bytes(comparison, setting, goal):
        own = final[final["codec"] == item.codec]
        value = t_interval(own["value"])
        gap = gaps.get(item.codec)
        before = own["run"].map(begun).astype(float)
        gained = t_interval(own["value"] - before)
        rows.append(
            {
                "setting": setting.title,
                "heterogeneity": setting.heterogeneity,
                "codec": item.codec,
                "seeds": item.seeds,
                "metric": comparison.metric.name,
                "value": value.mean,
                "value_half": value.half,
                "difference": gap.mean if gap else nan,
                "difference_half": gap.half if gap else nan,
                "start": float(before.mean()),
                "gain": gained.mean,
                "gain_half": gained.half,
                "total_bytes": item.spent,
                "target": goal,
                "bytes_to_target": item.bytes.mean,
                "reached": item.reached,
                "ratio": item.ratio.mean,
                "ratio_low": item.ratio.low,
                "ratio_high": item.ratio.high,
                "seconds": float(own["run_seconds"].mean()),
                "overhead": float(own["run_overhead"].mean()),
            }
        )
    return rows


def _seconds(runs: pd.DataFrame) -> pd.DataFrame:
    """Return run_seconds without set-up, and the share outside training and evaluation."""
    if "run" not in runs:
        return pd.DataFrame({"run_seconds": [], "run_overhead": []})
    phases = pd.DataFrame(
        {phase: pd.to_numeric(runs.get(f"seconds_{phase}", nan), "coerce") for phase in _PHASES},
        index=runs.index,
    )
    total = phases.sum(axis=1, min_count=1)
    useful = phases[["train", "evaluate"]].sum(axis=1)
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
        f"Final {metric.label[0].lower()}{metric.label[1:]}": lambda row: _pm(
            metric.show(row.value), metric.show(row.value_half), row.seeds
        ),
        "To baseline": lambda row: _signed(row.difference, row.difference_half, metric),
        "From": lambda row: metric.show(row.start),
        "Gain": lambda row: _signed(row.gain, row.gain_half, metric),
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


def _pm(value: str, half: str, seeds: int) -> str:
    return f"{value} ± {half} (n = {seeds})" if half != "–" else f"{value} (n = {seeds})"


def _signed(value: float, half: float, metric: Metric) -> str:
    if not isfinite(value):
        return "–"
    sign = "−" if value < 0 else "+"
    spread = f" ± {metric.show(half)}" if isfinite(half) else ""
    return f"{sign}{metric.show(abs(value))}{spread}"


def _reached(row: Any) -> str:
    if not row.reached:
        return "not reached"
    part = f" ({row.reached} of {row.seeds})" if row.reached < row.seeds else ""
    return format_bytes(row.bytes_to_target) + part


def _ratio(row: Any) -> str:
    if not isfinite(row.ratio):
        return "–"
    spread = f" ({row.ratio_low:.3g} to {row.ratio_high:.3g})"
    return f"{row.ratio:.3g}" + (spread if row.ratio_low < row.ratio_high else "")
