"""The seeds that verdicts need as they are printed, and what has to be said with them."""

from math import isfinite

import pandas as pd

from fedbytes.plots.inference.seeds_needed import FEWEST_SEEDS, MOST_SEEDS
from fedbytes.plots.verdicts.power_table import FEWEST_PAIRS
from fedbytes.plots.verdicts.verdict_text import (
    format_difference,
    metric_of,
    spread_notes,
    unit_of,
)


def power_text(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table as text, a row each.

    Columns: Setting, Codec, n, Paired sd, Correlation, Seeds alone, Seeds (Holm), Power now.
    """
    metric = metric_of(frame)

    def spread(value: float) -> str:
        return format_difference(value, metric, signed=False)

    rows = []
    for row in frame.to_dict("records"):
        enough = row["n"] >= FEWEST_PAIRS
        between = f"({spread(row['sd_low'])} to {spread(row['sd_high'])})"
        range_ = f"({_seeds(row['seeds_low'])} to {_seeds(row['seeds_high'])})"
        correlation, now = row["correlation"], row["power_now"]
        rows.append(
            {
                "Setting": row["setting"],
                "Codec": row["codec"],
                "n": str(row["n"]),
                "Paired sd": f"{spread(row['paired_sd'])} {between}" if enough else "–",
                "Correlation": f"{correlation:.2f}" if isfinite(correlation) else "–",
                "Seeds alone": _seeds(row["seeds"]) if enough else "–",
                "Seeds (Holm)": f"{_seeds(row['seeds_holm'])} {range_}" if enough else "–",
                "Power now": f"{now * 100:.0f} %" if isfinite(now) else "–",
            }
        )
    return pd.DataFrame(rows)


def _seeds(value: float) -> str:
    return f"{value:.0f}" if isfinite(value) else f"over {MOST_SEEDS:,}"


def explain_power(frame: pd.DataFrame) -> list[str]:
    """Return the sentences that a reader of the table needs."""
    metric, first = metric_of(frame), frame.iloc[0]
    unit = unit_of(metric)
    margin = format_difference(float(first["margin"]), metric, signed=False)
    true = format_difference(float(first["difference"]), metric)
    share = f"{float(first['power']) * 100:.0f} %"
    words = [
        f"Seeds that show a codec no worse than {first['baseline']} by {margin} {unit} of "
        f"{metric.name.replace('_', '-')} with {share} power, if the true difference "
        f"is {true}: alone at 5 %, and at Holm's hardest step over the codecs of a setting.",
        f"In brackets: what the spread allows, known from so few seeds with 80 % confidence. At "
        f"least {FEWEST_SEEDS} seeds make a verdict.",
    ]
    if first["unit"] == "partitions":
        words.append(
            "Runs of a crossed design share partitions: n and the seeds needed count partitions, "
            "each trained with as many seeds as here."
        )
    for setting, rows in frame.groupby("setting", sort=False):
        shared, own = float(rows["shared_sd"].iloc[0]), float(rows["own_sd"].iloc[0])
        if isfinite(shared):
            parts = (format_difference(value, metric, signed=False) for value in (shared, own))
            words.append(
                f"{setting}: a seed gives all codecs alike a deviation of {next(parts)}, and each "
                f"its own of {next(parts)} {unit}."
            )
    words += spread_notes(frame)
    if (frame["n"] < FEWEST_PAIRS).any():
        words.append(f"Codecs with fewer than {FEWEST_PAIRS} pairs have no measured spread.")
    return words
