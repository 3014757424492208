"""The verdicts of a store in a sentence, which a report begins with."""

from typing import Any

import pandas as pd

from fedbytes.plots.inference.seeds_needed import FEWEST_SEEDS
from fedbytes.plots.tables.comparison import Metric
from fedbytes.plots.verdicts.verdict_text import format_difference, metric_of, unit_of

_ORDER = ("better", "equal", "non-inferior", "worse", "not shown", "no verdict")
_SAID = {"equal": "equal within the margin", "not shown": "not shown either way"}


def state_verdicts(frame: pd.DataFrame) -> list[str]:
    """Return one sentence a setting: what is shown of each method, with its difference and n.

    Args:
        frame: what `measure_verdicts` returns.
    """
    metric, first = metric_of(frame), frame.iloc[0]
    margin = format_difference(float(first["margin"]), metric, signed=False)
    question = f"Against {first['baseline']}, margin {margin} {unit_of(metric)}"
    return [
        f"{question} ({setting}): {_groups(rows, metric)}."
        for setting, rows in frame.groupby("setting", sort=False)
    ]


def _groups(rows: pd.DataFrame, metric: Metric) -> str:
    parts = []
    for word in _ORDER:
        found = rows[rows["word"] == word]
        if found.empty:
            continue
        said = _SAID.get(word, word)
        if word == "no verdict":
            said = f"no verdict below {FEWEST_SEEDS} seeds"
        members = ", ".join(_member(row, metric) for row in found.to_dict("records"))
        parts.append(f"{said}: {members}")
    return "; ".join(parts)


def _member(row: dict[Any, Any], metric: Metric) -> str:
    words = f"{row['codec']} {format_difference(row['difference'], metric)}"
    return f"{words} (n = {row['n']}{', a seed failed' if row['failed'] else ''})"
