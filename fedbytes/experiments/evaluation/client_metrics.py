"""What clients' own tests show together: their mean, their worst decile, and their spread."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

OWN_TEST_ROWS = "clients.jsonl"
REPORT_ROWS = "reports.jsonl"
_HEADLINES = {"accuracy": True, "perplexity": False, "loss": False}
"""The metric that is summed up is the first that a task has; True where higher is better."""


def sum_up(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return `own_M`, `own_M_worst_decile` and `own_M_spread` of the task's main metric M.

    All clients count alike, whatever their size: the mean, the mean of the worst tenth (at least
    one client), and the standard deviation (Li et al. 2020, arXiv:1905.10497, report the latter
    two). Empty without rows.

    Args:
        rows: of one round, one per client.
    """
    if not rows:
        return {}
    name = next(metric for metric in _HEADLINES if metric in rows[0])
    values = np.sort([float(row[name]) for row in rows])
    worst = values if _HEADLINES[name] else values[::-1]
    return {
        f"own_{name}": float(values.mean()),
        f"own_{name}_worst_decile": float(worst[: math.ceil(len(values) / 10)].mean()),
        f"own_{name}_spread": float(values.std()) if np.isfinite(values).all() else math.inf,
    }


def mean_metrics(found: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the mean of each metric over clients' models, which count alike."""
    return {key: float(np.mean([one[key] for one in found])) for key in found[0]}
