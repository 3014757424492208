"""What each method takes over each link: seconds per round, hours to the target, break-even."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isnan

import pandas as pd

from fedbytes.experiments.config.target import Target
from fedbytes.plots.link_time.break_even import measure_break_even
from fedbytes.plots.link_time.computing_seconds import without_waiting
from fedbytes.plots.link_time.link import NetworkLink
from fedbytes.plots.link_time.round_time import seconds_over_link
from fedbytes.plots.tables.comparison import Comparison, compare_codecs
from fedbytes.plots.tables.store_tables import Tables
from fedbytes.plots.tables.target_bytes import measure_target_bytes, resolve_target
from fedbytes.plots.verdicts.question import ask

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

    `seconds_per_round` and `hours` are means over the runs, `hours_to_target` the geometric mean of
    those runs that reach the target (`reached` of `runs`), NaN if none does; `break_even_mbit` is
    the rate below which the codec saves time (see `break_even_rate`).
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
            for found in measure_target_bytes(comparison, setting, value):
                own = final[final["codec"] == found.codec]
                rows.append(
                    {
                        "link": one.link.name or str(one.link),
                        "setting": setting.title,
                        "codec": found.codec,
                        "seconds_per_round": float((own["total_bytes"] / own["round"]).mean()),
                        "hours": found.spent / 3600,
                        "hours_to_target": found.bytes.mean / 3600,
                        "reached": found.reached,
                        "runs": found.seeds,
                        "break_even_mbit": float(pays.get(found.codec, float("nan"))),
                    }
                )
    return pd.DataFrame(rows, columns=COLUMNS)


def show_seconds(seconds: float) -> str:
    """Return a duration in the unit that suits it: `0.42 s`, `3.1 min`, `7.5 h`, `2.3 d`."""
    if isnan(seconds):
        return "–"
    for unit, size, most in (("s", 1, 120), ("min", 60, 120), ("h", 3600, 48)):
        if seconds < most * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 86400:.3g} d"
