"""Final metric and bytes against measured heterogeneity: the runs as points, and their slopes."""

from math import isfinite, nan

import numpy as np
import pandas as pd

from fedbytes.experiments.config.target import Target
from fedbytes.plots.tables.comparison import Comparison, Setting
from fedbytes.plots.tables.statistics import fit_line
from fedbytes.plots.tables.store_tables import NothingToDrawError
from fedbytes.plots.tables.target_bytes import find_bytes_to_target, resolve_target

SETTINGS, SPREAD = 3, 0.05  # the fewest settings and the least range of NMI for a line
STEP = 0.1  # slopes are per this much NMI


def measure_points(comparison: Comparison, target: Target = None) -> pd.DataFrame:
    """Return one row per run: its heterogeneity, how it ended, and the comparison to the baseline.

    Returns:
        columns setting, codec, seed, nmi (measured), value (final metric), bytes (to the target,
        NaN if not reached), difference (value minus the baseline's of the same seed and
        setting) and ratio (the baseline's bytes to the target over the codec's).

    Raises:
        NothingToDrawError: unless there are three settings whose heterogeneity differs, of one
            task, model, adapter and algorithm.
    """
    settings = [s for s in comparison.settings if isfinite(s.heterogeneity)]
    families = {tuple(_family(setting)) for setting in settings}
    levels = [setting.heterogeneity for setting in settings]
    if len(settings) < SETTINGS or max(levels) - min(levels) < SPREAD or len(families) > 1:
        raise NothingToDrawError(
            "a line over heterogeneity needs three settings of one task, model, adapter and "
            "algorithm whose measured NMI differs"
        )
    return pd.DataFrame([row for s in settings for row in _rows(comparison, s, target)])


def _family(setting: Setting) -> list[str]:
    return [str(setting.keys.get(k)) for k in ("task", "model", "adapter", "algorithm")]


def _rows(comparison: Comparison, setting: Setting, target: Target) -> list[dict[str, object]]:
    final, base = comparison.final(setting), comparison.baseline or ""
    goal = resolve_target(comparison, setting, target)[0]
    reference = comparison.by_seed(final, base, "value")
    base_bytes = find_bytes_to_target(comparison, setting, base, goal)
    rows: list[dict[str, object]] = []
    for codec in comparison.present(setting):
        nmi = comparison.by_seed(final, codec, "heterogeneity")
        needed = find_bytes_to_target(comparison, setting, codec, goal)
        for seed, value in comparison.by_seed(final, codec, "value").items():
            rows.append(
                {
                    "setting": setting.title,
                    "codec": codec,
                    "seed": seed,
                    "nmi": nmi[seed],
                    "value": value,
                    "bytes": needed[seed],
                    "difference": value - reference.get(seed, nan),
                    "ratio": base_bytes.get(seed, nan) / needed[seed],
                }
            )
    return rows


def fit_slopes(frame: pd.DataFrame, scale: float = 1.0) -> pd.DataFrame:
    """Return each codec's slopes over NMI, by least squares over what `measure_points` returns.

    Returns:
        one row per codec and quantity (`value`, `difference`, `log2 bytes`, `log2 ratio`): slope
        per 0.1 NMI with its 95 % interval, the p-value of a slope of 0, and the number of points.
    """
    rows = []
    for codec in frame["codec"].unique():
        part = frame[frame["codec"] == codec]
        for name in ("value", "difference", "bytes", "ratio"):
            logs = name in ("bytes", "ratio")
            values = np.log2(part[name]) if logs else part[name] * scale
            line = None if part[name].nunique() < 2 else fit_line(part["nmi"], values)
            if line is not None:
                rows.append(
                    {
                        "codec": codec,
                        "quantity": f"log2 {name}" if logs else name,
                        "slope": line.slope.mean * STEP,
                        "low": line.slope.low * STEP,
                        "high": line.slope.high * STEP,
                        "p_value": line.p_value,
                        "n": line.n,
                    }
                )
    columns = ["codec", "quantity", "slope", "low", "high", "p_value", "n"]
    return pd.DataFrame(rows, columns=columns)
