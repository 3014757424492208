"""What each method takes over each link: seconds per round, hours to the target, break-even."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isnan, nan

import pandas as pd

from fedbytes.experiments.config.target import Target
from fedbytes.plots.inference.bytes_ratio import geometric_mean
from fedbytes.plots.inference.target_hits import Hit
from fedbytes.plots.link_time.break_even import measure_break_even
from fedbytes.plots.link_time.computing_seconds import without_waiting
from fedbytes.plots.link_time.link import NetworkLink
from fedbytes.plots.link_time.round_time import seconds_over_link
from fedbytes.plots.tables.comparison import Comparison, compare_codecs
from fedbytes.plots.tables.statistics import geometric_interval
from fedbytes.plots.tables.store_tables import Tables
from fedbytes.plots.tables.target_bytes import resolve_target
from fedbytes.plots.verdicts.question import ask
from fedbytes.plots.verdicts.target_choice import SettledTarget, read_hits

COLUMNS = [
    "link", "setting", "codec", "seconds_per_round", "hours", "hours_to_target", "reached", "runs",
    "break_even_mbit",
]  # fmt: skip


@dataclass(frozen=True, eq=False)
class LinkComparison:
    """A store's runs over one link: their comparison has seconds where bytes stood."""

    link: NetworkLink
    comparison: Comparison


def compare_over_links(
    tables: Tables,
    links: Sequence[NetworkLink],
    metric: str | None = None,
    baseline: str | None = None,
    slower: float = 1.0,
    own: Mapping[int, NetworkLink] | None = None,
) -> list[LinkComparison]:
    """Return the comparison of the finished runs over each link.

    Raises:
        NothingToDrawError: if the store lacks messages or seconds.
    """
    found = []
    for link in links:
        results = seconds_over_link(tables, link, slower, own)
        timed = results.assign(total_bytes=results["link_seconds"])
        comparison = compare_codecs(replace(tables, results=timed), metric, baseline)
        found.append(LinkComparison(link, comparison))
    return found


def link_table(
    tables: Tables, over: Sequence[LinkComparison], target: Target = None
) -> pd.DataFrame:
    """Return one row per link, setting and codec (`COLUMNS`).

    `seconds_per_round` and `hours` are means over the runs. `hours_to_target` is the geometric mean
    in which runs that miss the target count as needing more than they took, interpolated between
    evaluations, NaN where too few reach it; where all are past it at their first evaluation, the
    time of that, which is the most that was needed; `reached` of `runs` reach it for good (see
    `find_hit`).
    `break_even_mbit` is the rate below which the codec saves time (see `break_even_rate`).
    """
    tables = without_waiting(tables)
    rows, goal = [], ask(tables, target=target).target
    for one in over:
        comparison = one.comparison
        pays = (
            measure_break_even(tables.finished(), tables.ledger, comparison.baseline)
            if comparison.baseline is not None
            else pd.Series(dtype=float)
        )
        for setting in comparison.settings:
            value, _ = resolve_target(comparison, setting, goal)
            final = comparison.final(setting)
            timed = replace(tables, results=setting.rows)
            hits = read_hits(timed, comparison, setting, SettledTarget(value, "given"))
            for codec in comparison.present(setting):
                own, runs = final[final["codec"] == codec], [*hits[codec].values()]
                rows.append(
                    {
                        "link": one.link.name or str(one.link),
                        "setting": setting.title,
                        "codec": codec,
                        "seconds_per_round": float((own["total_bytes"] / own["round"]).mean()),
                        "hours": float(own["total_bytes"].mean()) / 3600,
                        "hours_to_target": _mean_seconds(runs) / 3600,
                        "reached": sum(hit.reached for hit in runs),
                        "runs": len(own),
                        "break_even_mbit": float(pays.get(codec, nan)),
                    }
                )
    return pd.DataFrame(rows, columns=COLUMNS)


def _mean_seconds(hits: Sequence[Hit]) -> float:
    """Return the geometric mean of what runs need to reach a target, NaN if too few reach it."""
    if not hits:
        return nan
    if all(hit.kind == "at once" for hit in hits):
        return geometric_interval(hit.bytes for hit in hits).mean
    return geometric_mean(hits)


def show_seconds(seconds: float) -> str:
    """Return a duration in the unit that suits it: `0.42 s`, `3.1 min`, `7.5 h`, `2.3 d`."""
    if isnan(seconds):
        return "–"
    for unit, size, most in (("s", 1, 120), ("min", 60, 120), ("h", 3600, 48)):
        if seconds < most * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 86400:.3g} d"
