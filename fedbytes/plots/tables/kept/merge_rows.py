"""Puts rows of a suite that was run in parts together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from fedbytes.experiments.published.comparison import compare_runs
from fedbytes.experiments.published.run_record import RunRecord, measured_rows
from fedbytes.plots.tables.kept.crossed_seeds import join_seeds
from fedbytes.plots.tables.kept.kept_rows import sum_by_kind
from fedbytes.plots.tables.kept.made_from import join_parts, keep_runs
from fedbytes.plots.tables.store_tables import Tables, apply_labels

_RENAMED = ("codec", "adapter", "algorithm", "defense")
"""Columns of rows that a label replaces, so that runs tell them."""


@dataclass(frozen=True, eq=False)
class RowsPart:
    """One of the folders whose rows are put together.

    Attributes:
        name: by which messages call it.
        tables: its rows.
        origin: what they were made from, as `describe_origin` says it.
        suite: what its `suite.json` holds; empty without one.
        exact: whether its numbers have every digit, not six.
    """

    name: str
    tables: Tables
    origin: Mapping[str, Any]
    suite: Mapping[str, Any] = field(default_factory=dict)
    exact: bool = True


def merge_parts(parts: Sequence[RowsPart]) -> tuple[Tables, dict[str, Any], dict[str, list[str]]]:
    """Return the rows of all parts, what they were made from, and the runs taken of each part.

    A run that several have is taken once: of the part that finished it, else of the first.

    Args:
        parts: at least two, of one suite and protocol.

    Raises:
        ValueError: naming two parts whose suites, protocols, baselines or targets differ, one that
            lacks configurations, or a run whose rows in two of them are not equal.
    """
    for part in parts:
        if "config" not in part.tables.runs or part.tables.runs["config"].isna().any():
            raise ValueError(
                f"{part.name} does not tell the configurations of its runs (runs.jsonl), so that "
                "settings could be confused: give the store itself, or rows plotted anew from it"
            )
        _refuse_another_suite(parts[0], part)
    taken = _choose(parts)
    results = pd.concat([_as_stored(part, taken[part.name]) for part in parts], ignore_index=True)
    # Whole numbers stay whole beside runs that lack them.
    runs = _gather(parts, taken, lambda part: _plain_seeds(part.tables.runs).astype(object))
    results = results.sort_values("run", kind="stable", ignore_index=True)
    results, runs = join_seeds(results, runs)
    first = parts[0].tables
    tables = Tables(
        results=apply_labels(results),
        ledger=_gather(parts, taken, lambda part: sum_by_kind(part.tables.ledger)),
        partitions=_gather(parts, taken, lambda part: part.tables.partitions),
        runs=runs,
        baseline=first.baseline,
        declared=first.declared,
        predictions=_gather(parts, taken, lambda part: part.tables.predictions),
        clients=_gather(parts, taken, lambda part: part.tables.clients),
        audits=_gather(parts, taken, lambda part: part.tables.audits),
    )
    kept = [found for part in parts for found in keep_runs(part.origin, taken[part.name])]
    return tables, join_parts(kept) if kept else {"runs": runs["run"].tolist()}, taken


def _refuse_another_suite(first: RowsPart, other: RowsPart) -> None:
    one, two = (sorted(map(str, part.tables.runs["suite"].unique())) for part in (first, other))
    if one != two:
        raise ValueError(
            f"{first.name} holds runs of {', '.join(one)}, {other.name} of {', '.join(two)}: "
            "only rows of one suite are put together"
        )
    digests = [part.tables.declared and part.tables.declared.sha256[:12] for part in (first, other)]
    if digests[0] != digests[1]:
        said = [f"protocol {digest}" if digest else "no protocol" for digest in digests]
        raise ValueError(
            f"{first.name} was run under {said[0]}, {other.name} under {said[1]}: verdicts over "
            "both would be declared by neither; plot them apart"
        )
    for key in ("baseline", "target"):
        values = [part.suite.get(key) for part in (first, other)]
        if first.suite and other.suite and values[0] != values[1]:
            raise ValueError(
                f"the suite of {first.name} has the {key} {values[0]}, that of {other.name} "
                f"{values[1]}: give suite.json of both the same, or plot them apart"
            )


def _choose(parts: Sequence[RowsPart]) -> dict[str, list[str]]:
    """Return the runs that are taken of each part, by the part's name."""
    taken: dict[str, RowsPart] = {}
    for part in parts:
        done = _done(part)
        for run in part.tables.runs["run"]:
            earlier = taken.get(run)
            if earlier is None or (run in done and run not in _done(earlier)):
                taken[run] = part
            elif run in done:
                _refuse_other_rows(run, earlier, part)
    return {part.name: sorted(run for run, of in taken.items() if of is part) for part in parts}


def _done(part: RowsPart) -> set[str]:
    runs = part.tables.runs
    return set(runs.loc[runs["status"] == "done", "run"]) if "status" in runs else set(runs["run"])


def _refuse_other_rows(run: str, one: RowsPart, other: RowsPart) -> None:
    found = compare_runs(_record(run, one), _record(run, other))
    if found.verdict != "equal":
        apart = ", ".join(f"{name} by up to {gap:.3g}" for name, gap in found.apart.items())
        raise ValueError(
            f"run {run} is in {one.name} and in {other.name} with other rows "
            f"({found.reason or apart}): `fedbytes compare` says more; leave one of them out"
        )


def _record(run: str, part: RowsPart) -> RunRecord:
    rows = part.tables.results
    return RunRecord(run, measured_rows(rows[rows["run"] == run]), exact=part.exact)


def _as_stored(part: RowsPart, runs: Sequence[str]) -> pd.DataFrame:
    """Return a part's rows with codecs and seeds as stored: labels depend on what is beside."""
    rows = _plain_seeds(part.tables.results)
    rows = rows[rows["run"].isin(runs)]
    if "label" not in rows:
        return rows
    known = part.tables.runs.set_index("run")
    names = [name for name in _RENAMED if name in rows and name in known]
    return rows.assign(**{name: rows["run"].map(known[name]) for name in names})


def _plain_seeds(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with the runs' own seeds, which `join_seeds` puts into another column."""
    if "training_seed" not in table:
        return table
    return table.assign(seed=table["training_seed"]).drop(columns="training_seed")


def _gather(
    parts: Sequence[RowsPart],
    taken: Mapping[str, Sequence[str]],
    table: Callable[[RowsPart], pd.DataFrame],
) -> pd.DataFrame:
    """Return a table of all parts, of the runs that are taken of each, by run."""
    frames = [(table(part), taken[part.name]) for part in parts]
    chosen = [rows[rows["run"].isin(runs)] for rows, runs in frames if len(rows)]
    if not chosen:
        return pd.DataFrame({"run": []})
    joined = pd.concat(chosen, ignore_index=True)
    return joined.sort_values("run", kind="stable", ignore_index=True)
