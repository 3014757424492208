"""What all panels of a figure have in common, in one line: task, model, clients, rounds, seeds."""

from collections.abc import Iterable

import pandas as pd

from fedbytes.plots.tables.comparison import Comparison
from fedbytes.plots.tables.store_tables import Tables, read_mapping

_COMMON = ("task", "model", "adapter", "algorithm")


def describe_runs(tables: Tables, comparison: Comparison) -> str:
    """Return `"reuters-r8 · minilm · lora · fedavg · 10 clients · 14 rounds · n = 3 seeds"`.

    Facts that differ between the settings are left out: their titles have them.
    """
    rows = pd.concat([setting.rows for setting in comparison.settings])
    facts = [_only(rows[name]) for name in _COMMON if name in rows]
    facts += [_clients(tables, rows), _counted(rows, "rounds", "round")]
    seeds = [
        int(count) for setting in comparison.settings
        for count in setting.rows.groupby("codec")["seed"].nunique()
    ]  # fmt: skip
    facts.append(f"n = {_between(seeds)} {'seed' if max(seeds) == 1 else 'seeds'}")
    return " · ".join(fact for fact in facts if fact)


def _only(column: "pd.Series[str]") -> str:
    values = {str(value) for value in column if isinstance(value, str) and value}
    return next(iter(values)) if len(values) == 1 else ""


def _counted(rows: pd.DataFrame, column: str, noun: str) -> str:
    if column not in rows or rows[column].isna().all():
        return ""
    counts = [int(value) for value in rows[column].dropna()]
    return f"{_between(counts)} {noun if max(counts) == 1 else noun + 's'}"


def _clients(tables: Tables, rows: pd.DataFrame) -> str:
    """Return how many clients there are, and how many of them a round has."""
    if "config" not in tables.runs:
        return ""
    drawn = tables.runs[tables.runs["run"].isin(set(rows["run"]))]
    configs = [read_mapping(config) for config in drawn["config"]]
    clients = _whole(read_mapping(c.get("partition")).get("num_clients") for c in configs)
    sampled = _whole(c.get("clients_per_round") for c in configs)
    if not clients:
        return ""
    words = f"{_between(clients)} client{'' if max(clients) == 1 else 's'}"
    return f"{words}, {_between(sampled)} a round" if sampled else words


def _whole(values: Iterable[object]) -> list[int]:
    return [value for value in values if isinstance(value, int)]


def _between(counts: list[int]) -> str:
    few, many = min(counts), max(counts)
    return f"{few}" if few == many else f"{few} to {many}"
