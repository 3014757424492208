"""Lasting hits of a target by every run, and the ratios of bytes that follow."""

from collections.abc import Mapping

import pandas as pd

from fedbytes.experiments.config.target import Target
from fedbytes.plots.inference.bytes_ratio import BytesRatio, compare_bytes
from fedbytes.plots.inference.target_hits import Hit, find_hit
from fedbytes.plots.number_words import format_bytes
from fedbytes.plots.tables.comparison import Comparison, Setting
from fedbytes.plots.tables.store_tables import Tables
from fedbytes.plots.tables.target_bytes import resolve_target


def find_hits(
    tables: Tables, comparison: Comparison, setting: Setting, target: float
) -> dict[str, dict[int, Hit]]:
    """Return each run's lasting hit of a target, by codec and seed, in the order of seeds."""
    rows = tables.finished()
    rows = rows[rows["run"].isin(set(setting.rows["run"])) & (rows["total_bytes"] > 0)]
    found: dict[str, dict[int, Hit]] = {codec: {} for codec in comparison.present(setting)}
    for _, run in rows.sort_values("round").groupby("run", sort=False):
        spent = [float(value) for value in run["total_bytes"]]
        values = [float(value) for value in run[comparison.metric.name]]
        hit = find_hit(spent, values, target, comparison.metric.rises)
        found[str(run["codec"].iloc[0])][int(run["seed"].iloc[0])] = hit
    return {codec: dict(sorted(runs.items())) for codec, runs in found.items()}


def measure_hits(tables: Tables, comparison: Comparison, target: Target = None) -> pd.DataFrame:
    """Return one row per run: what it says of the bytes to the target.

    Returns:
        columns setting, codec, seed, target (in the metric's unit), bytes and kind (see `Hit`).
    """
    return pd.DataFrame(
        [
            {
                "setting": setting.title,
                "codec": codec,
                "seed": seed,
                "target": goal,
                "bytes": hit.bytes,
                "kind": hit.kind,
            }
            for setting in comparison.settings
            for goal in [resolve_target(comparison, setting, target)[0]]
            for codec, runs in find_hits(tables, comparison, setting, goal).items()
            for seed, hit in sorted(runs.items())
        ],
        columns=["setting", "codec", "seed", "target", "bytes", "kind"],
    )


def compare_hits(own: Mapping[int, Hit], base: Mapping[int, Hit]) -> BytesRatio | None:
    """Compare a codec's hits with the baseline's over the seeds of both; None without one."""
    shared = sorted(set(own) & set(base))
    if not shared:
        return None
    return compare_bytes([own[seed] for seed in shared], [base[seed] for seed in shared])


def describe_ratio(found: BytesRatio, fewest: int) -> str:
    """Return a ratio as a table's cell says it; below `fewest` pairs the seeds are shown."""
    if found.bound == "below":
        return f"below {found.ratio:.3g} ×"
    if found.bound == "above":
        return f"above {found.ratio:.3g} ×"
    if found.n < fewest:
        return ", ".join(_seed_ratio(*seed) for seed in found.seeds)
    if found.bound == "unknown":
        return "–"
    words = f"{found.ratio:.3g} × ({found.low:.3g} to {found.high:.3g})"
    return f"{words}, extrapolated" if found.extrapolated else words


def _seed_ratio(sign: str, value: float) -> str:
    return "?" if sign == "?" else f"{sign.strip('=')}{value:.3g}"


def describe_reached(hits: Mapping[int, Hit]) -> str:
    """Return how many runs reach the target, and for how many bytes they stopped if none does.

    A method without a message has no bytes to count.
    """
    if not hits:
        return "sends nothing"
    reached = sum(hit.reached for hit in hits.values())
    words = f"{reached} of {len(hits)} reached"
    if not reached:
        words += f" with {format_bytes(max(hit.bytes for hit in hits.values()))}"
    return words
