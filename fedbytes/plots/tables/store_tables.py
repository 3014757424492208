"""The tables of a store, which are all that figures are drawn from."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from fedbytes.experiments.config.declaration.protocol import parse_final
from fedbytes.plots.tables.declared_protocol import DeclaredProtocol

FINAL = "last3"
"""A run's final value where nothing else is asked for: the mean of its last three evaluations."""


class NothingToDrawError(ValueError):
    """The tables lack the data of a figure; the message says which, and how to get it."""


@dataclass(frozen=True, eq=False)
class Tables:
    """The tables of a result store.

    Attributes:
        results: one row per run and evaluated round: run, suite, task, model, adapter, algorithm,
            codec, uplink, downlink, partition, alpha, heterogeneity, seed, round, rounds,
            up_bytes, down_bytes, total_bytes (cumulative message bytes over all clients), the
            task's metrics, seconds.
        ledger: message bytes by run, direction and kind: payload_bytes, message_bytes.
        partitions: examples by run, client and category; `client_name` where clients have names.
        runs: one row per run: status, error, config, seconds by phase, provenance.
        baseline: the label that others are compared with, where the suite names one.
        order: labels in the order in which they are shown; others follow. Without it the baseline
            is first, then from most bytes to fewest.
        declared: the protocol that the runs were made under, where there is one.
        predictions: run, round, and `right`, bool [texts]: which test texts were answered rightly
            at the last evaluations. Empty for stores from before they were kept.
        clients: metrics on clients' own tests, by run, round and client; empty without them.
        audits: a row per finding of an audit: run, round, audit, and its columns; empty without.
        final: which evaluations a final value is the mean of, where it is neither what the
            protocol declares nor the usual `last3`.

    A run's `label` replaces the codec's in figures and tables (see `apply_labels`).
    """

    results: pd.DataFrame
    ledger: pd.DataFrame
    partitions: pd.DataFrame
    runs: pd.DataFrame
    baseline: str | None = None
    order: tuple[str, ...] = ()
    declared: DeclaredProtocol | None = None
    predictions: pd.DataFrame = field(default_factory=lambda: pd.DataFrame({"run": []}))
    clients: pd.DataFrame = field(default_factory=pd.DataFrame)
    audits: pd.DataFrame = field(default_factory=pd.DataFrame)
    final: str | None = None

    @property
    def window(self) -> int:
        """How many last evaluations a final value is the mean of."""
        declared = FINAL if self.declared is None else self.declared.protocol.final
        return parse_final(self.final or declared)

    def finished(self) -> pd.DataFrame:
        """Return the results of finished runs, which figures and tables average.

        A run that stopped half way would shift a mean from there on, and one that is stale was made
        from other files or at another revision of a plug-in than those that are not. If all
        finished runs are stale they are returned, if none is finished all results.

        Raises:
            NothingToDrawError: if no round was evaluated.
        """
        if self.results.empty:
            raise NothingToDrawError("no evaluated round is stored yet; run a sweep first")
        if "status" not in self.runs.columns:
            return self.results
        done = self.runs.loc[self.runs["status"] == "done", "run"]
        for runs in (done, self.stale()):
            chosen = self.results[self.results["run"].isin(runs)]
            if not chosen.empty:
                return chosen
        return self.results

    def stale(self) -> pd.Series:
        """Return the ids of runs that finished and are stale."""
        if not {"status", "rounds"} <= set(self.runs.columns):
            return self.runs["run"].iloc[:0]
        finished = (self.runs["status"] == "stale") & self.runs["rounds"].notna()
        return self.runs.loc[finished, "run"]

    def failed(self) -> pd.DataFrame:
        """Return the rows of `runs` that failed."""
        if "status" not in self.runs.columns:
            return self.runs.iloc[:0]
        return self.runs[self.runs["status"] == "failed"]


def apply_labels(results: pd.DataFrame) -> pd.DataFrame:
    """Return results in which runs with a label are known by it instead of by their codec.

    Adapter and algorithm, which the label stands for, then no longer tell settings apart, nor do
    defences where no label has two of them. Where one label has several codecs, the codec is named
    after it.
    """
    if "label" not in results or results["label"].isna().all():
        return results
    has = results["label"].notna()
    codecs = results[has].groupby("label")["codec"].transform("nunique")
    name = results.loc[has, "label"].astype(str)
    name = name.where(codecs == 1, name + " · " + results.loc[has, "codec"])
    known = results.assign(codec=name.reindex(results.index).fillna(results["codec"]))
    known.loc[has, ["adapter", "algorithm"]] = ""
    if "defense" in known and (known[has].groupby("label")["defense"].nunique() == 1).all():
        known.loc[has, "defense"] = ""
    return known


def read_mapping(value: Any) -> dict[str, Any]:
    """Return a mapping, or a JSON text of one, as a dict; anything else is empty."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, str):
        try:
            found = json.loads(value)
        except json.JSONDecodeError:
            return {}
        return found if isinstance(found, dict) else {}
    return {}


def flatten_keys(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested mappings as dotted keys; lists become text, so that all values hash."""
    flat: dict[str, Any] = {}
    for key, item in value.items():
        if isinstance(item, Mapping):
            flat.update(flatten_keys(item, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = item if isinstance(item, str | int | float) else str(item)
    return flat
