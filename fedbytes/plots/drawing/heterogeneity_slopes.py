"""Final metric and bytes against measured heterogeneity: the runs as points, and their slopes."""

from math import isfinite, nan

import numpy as np
import pandas as pd

from fedbytes.experiments.config.target import Target
from fedbytes.plots.inference.clustered_line import ClusteredLine, fit_clustered_line
from fedbytes.plots.tables.comparison import Comparison, Setting
from fedbytes.plots.tables.store_tables import NothingToDrawError, Tables
from fedbytes.plots.verdicts.target_choice import read_hits, settle_targets

SETTINGS, SPREAD = 3, 0.05  # the fewest settings and the least range of NMI for a line
STEP = 0.1  # slopes are per this much NMI


def measure_points(tables: Tables, comparison: Comparison, target: Target = None) -> pd.DataFrame:
    """Return one row per run: its heterogeneity, how it ended, and the comparison to the baseline.

    Returns:
        columns setting, codec, seed, nmi (measured), value (final metric), bytes (to the target,
        NaN if not reached for good), difference (value minus the baseline's of the same seed and
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
    return pd.DataFrame([row for s in settings for row in _rows(tables, comparison, s, target)])


def _family(setting: Setting) -> list[str]:
    return [str(setting.keys.get(k)) for k in ("task", "model", "adapter", "algorithm")]


def _rows(
    tables: Tables, comparison: Comparison, setting: Setting, target: Target
) -> list[dict[str, object]]:
    final, base = comparison.final(setting), comparison.baseline or ""
    goal = settle_targets(comparison, setting, target)[-1]
    reached = {
        codec: {seed: hit.bytes if hit.reached else nan for seed, hit in hits.items()}
        for codec, hits in read_hits(tables, comparison, setting, goal).items()
    }
    reference = comparison.by_seed(final, base, "value")
    base_bytes = reached.get(base, {})
    rows: list[dict[str, object]] = []
    for codec in comparison.present(setting):
        nmi = comparison.by_seed(final, codec, "heterogeneity")
        needed = reached[codec]
        for seed, value in comparison.by_seed(final, codec, "value").items():
            rows.append(
                {
                    "setting": setting.title,
                    "codec": codec,
                    "seed": seed,
                    "nmi": nmi[seed],
                    "value": value,
                    "bytes": needed.get(seed, nan),
                    "difference": value - reference.get(seed, nan),
                    "ratio": base_bytes.get(seed, nan) / needed.get(seed, nan),
                }
            )
    return rows


def fit_slopes(frame: pd.DataFrame, scale: float = 1.0) -> pd.DataFrame:
    """Return each codec's slopes over NMI, by least squares over what `measure_points` returns.

    Runs of one setting share its partitions, so the intervals take the settings, and not the runs,
    as independent (see `fit_clustered_line`). A quantity that some run lacks, such as the bytes to
    a target that it misses, has no slope: one through the others would be the survivors'.

    Returns:
        one row per codec and quantity (`value`, `difference`, `log2 bytes`, `log2 ratio`): slope
        per 0.1 NMI with its 95 % interval, the p-value of a slope of 0, the number of points and
        that of settings.
    """
    columns = ["codec", "quantity", "slope", "low", "high", "p_value", "n", "settings"]
    rows = []
    for codec in frame["codec"].unique():
        part = frame[frame["codec"] == codec]
        part = part[np.isfinite(part["nmi"].astype(float))]
        for name in ("value", "difference", "bytes", "ratio"):
            logs = name in ("bytes", "ratio")
            values = np.log2(part[name]) if logs else part[name] * scale
            line = _fit(part["nmi"], values, part["setting"])
            if line is not None:
                ends = (line.slope, line.low, line.high)
                quantity = f"log2 {name}" if logs else name
                slopes = [end * STEP for end in ends]
                rows.append([codec, quantity, *slopes, line.p_value, line.n, line.clusters])
    return pd.DataFrame(rows, columns=columns)


def _fit(nmi: pd.Series, values: pd.Series, settings: pd.Series) -> ClusteredLine | None:
    """Return the line; None where a run lacks the value, or settings or their NMI are too few."""
    if not np.isfinite(values.astype(float)).all() or values.nunique() < 2:
        return None
    try:
        return fit_clustered_line(nmi, values, settings)
    except ValueError:
        return None
