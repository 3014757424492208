"""The verdicts as they are printed, and what has to be said with them."""

from math import isfinite
from typing import Any

import pandas as pd

from fedbytes.experiments.config.declaration.protocol import parse_final
from fedbytes.plots.inference.seeds_needed import FEWEST_SEEDS
from fedbytes.plots.tables.comparison import METRICS, Metric, metric_named
from fedbytes.plots.verdicts.run_ends import analyse_logarithm


def metric_of(frame: pd.DataFrame) -> Metric:
    """Return the metric that a table of verdicts or of power is about."""
    name = str(frame["metric"].iloc[0])
    return metric_named(name)


def format_difference(value: float, metric: Metric, signed: bool = True) -> str:
    """Return a difference as it is printed: points of a metric from 0 to 1, else its own unit."""
    if not isfinite(value):
        return "–"
    digits = 2 if metric.scale == 100 else 4
    text = f"{abs(value) * metric.scale:.{digits}f}"
    sign = "−" if value < 0 else "+"
    return (sign if signed else "") + text


def format_p(value: float) -> str:
    """Return a p-value as it is printed; a dash for none."""
    if not isfinite(value):
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def unit_of(metric: Metric) -> str:
    """Return the unit of printed differences."""
    if metric.scale == 100:
        return "points"
    return "ln perplexity" if analyse_logarithm(metric) else metric.name.replace("_", " ")


def verdict_text(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the verdicts as text, a row each; below five seeds the seeds stand for the interval.

    Columns: Setting, Codec, n, Difference, Over texts (where it is known), p (Holm), p (signs),
    Verdict, Target, To target, Times fewer, Other targets (where several are declared).
    """
    metric = metric_of(frame)
    shown = pd.DataFrame(
        [
            {
                "Setting": row["setting"],
                "Codec": row["codec"],
                "n": str(row["n"]),
                "Difference": _difference(row, metric),
                "Over texts": _between(row["text_low"], row["text_high"], metric),
                "p (Holm)": format_p(row["p_non_inferior"]),
                "p (signs)": format_p(row["p_sign_flip"]),
                "Verdict": row["verdict"],
                "Target": ("≥ " if metric.rises else "≤ ") + metric.show(row["target"]),
                "To target": row["to_target"],
                "Times fewer": row["times_fewer"],
                "Other targets": row["other_targets"],
            }
            for row in _records(frame)
        ]
    )
    known = {
        "Over texts": frame["text_low"].notna().any(),
        "Other targets": frame["other_targets"].astype(bool).any(),
    }
    return shown.drop(columns=[name for name, there in known.items() if not there])


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def _difference(row: dict[str, Any], metric: Metric) -> str:
    if row["n"] < FEWEST_SEEDS:
        seeds = [float(pair.split(":")[1]) for pair in row["differences"].split()]
        return ", ".join(format_difference(value, metric) for value in seeds) or "–"
    mean = format_difference(row["difference"], metric)
    return f"{mean} ({_between(row['low'], row['high'], metric)})"


def _between(low: float, high: float, metric: Metric) -> str:
    if not isfinite(low):
        return "–"
    return f"{format_difference(low, metric)} to {format_difference(high, metric)}"


def _texts_note(frame: pd.DataFrame) -> list[str]:
    """Return what is said where bounds over texts are left out for some or all codecs."""
    if str(frame["metric"].iloc[0]) != "accuracy":
        return []
    paired = frame[frame["n"] > 1]
    without = paired[paired["text_low"].isna()]
    if frame["rest_sd"].notna().any():
        return ["Runs of a crossed design share partitions and seeds: no bounds over texts."]
    if paired.empty:
        return []
    if without.empty:
        return ["Over texts: bounds that hold for other seeds and other test texts."]
    if len(without) == len(paired):
        return ["Which texts were answered rightly is not stored: no bounds over texts."]
    names = ", ".join(dict.fromkeys(without["codec"]))
    return [f"Which texts were answered rightly is not stored of all runs of {names}."]


def spread_notes(frame: pd.DataFrame) -> list[str]:
    """Return the sources of variance of each codec's differences in a crossed design."""
    metric, words = metric_of(frame), []
    for row in _records(frame[frame["rest_sd"].notna()]):
        parts = (
            format_difference(row[name], metric, signed=False)
            for name in ("partition_sd", "training_sd", "rest_sd")
        )
        words.append(
            f"{row['codec']} ({row['setting']}): deviation by partition {next(parts)}, by training "
            f"seed {next(parts)}, by neither alone {next(parts)} {unit_of(metric)}."
        )
    return words


def _describe_end(frame: pd.DataFrame) -> str:
    """Return what a run's final value is: the mean of as many evaluations as there really are."""
    window = parse_final(str(frame["final"].iloc[0]))
    fewest, most = int(frame["evaluations"].min()), int(frame["most_evaluations"].max())
    if most <= 1:
        return "the last evaluation" if window == 1 else "the only evaluation"
    if fewest == window:
        return f"the mean of the last {window} evaluations"
    if fewest == most:
        return f"the mean of the {most} evaluations that there are"
    return f"the mean of {fewest} to {most} evaluations, as some runs have no {window}"


def explain_verdicts(frame: pd.DataFrame) -> list[str]:
    """Return the sentences that a reader of the table needs: the question, and what is missing."""
    metric, first = metric_of(frame), frame.iloc[0]
    margin = format_difference(float(first["margin"]), metric, signed=False)
    end = _describe_end(frame)
    words = [
        f"{metric.name.replace('_', '-')}, {end}, against {first['baseline']}, paired by seed; "
        f"margin {margin} {unit_of(metric)}; bounds one-sided 95 %; p of non-inferiority, adjusted "
        "by Holm and by exact sign flips (not adjusted)."
    ]
    if metric.name not in METRICS:
        words.append(f"More {metric.label} is taken to be better.")
    if (frame["n"] < FEWEST_SEEDS).any():
        words.append(
            f"Below {FEWEST_SEEDS} seeds there is no verdict: each seed's difference is shown."
        )
    if (frame["word"] == "not shown").any():
        words.append(
            "Seeds needed: for 80 % power, if the true difference is 0 and the spread as measured."
        )
    for source in dict.fromkeys(map(str, frame["target_source"])):
        if source != "given":
            words.append(f"The target is {source}: it was known after the runs alone.")
    words += [*_texts_note(frame), *spread_notes(frame)]
    for row in frame.to_dict("records"):
        lost = set(row["failed"].split())
        gone = [seed for seed in row["missing"].split() if seed not in lost]
        if gone:
            words.append(f"{row['codec']} ({row['setting']}): no pair at seed {', '.join(gone)}.")
    return words
