"""Stores whose truth is known: final values and curves that tests put in."""

import numpy as np
import pandas as pd
from synthetic import by_hand

from fedbytes.plots import Tables

ROUNDS = 6


def store_of(differences, seeds=range(6), base=0.9, wobble=0.01, metric="accuracy", sizes=None):
    """Return tables in which each codec ends so far from fp32, by seed.

    Args:
        differences: of each codec, by its name: one a seed.
        seeds: of all.
        base: where fp32 ends; seed s adds `wobble` times s.
        wobble: what a seed gives to all codecs.
        metric: a column of the results.
        sizes: bytes a round, by codec; fp32 has 1,000 and others 100.
    """
    runs = {}
    for codec, gaps in {"fp32": np.zeros(len(seeds)), **differences}.items():
        size = (sizes or {}).get(codec, 1000 if codec == "fp32" else 100)
        for seed, gap in zip(seeds, gaps, strict=True):
            end = base + wobble * seed + gap
            values = [end - 0.3, end - 0.1, end - 0.05, end, end, end]
            runs[codec, seed] = [(size * (i + 1), value) for i, value in enumerate(values)]
    return by_hand(runs, metric)


def changed(tables, *, drop=(), status=None, values=None):
    """Return tables without the rows of some runs, with other statuses, or other values."""
    results = tables.results[~tables.results["run"].isin(drop)].copy()
    runs = tables.runs.copy()
    for run, word in (status or {}).items():
        runs.loc[runs["run"] == run, "status"] = word
    for run, value in (values or {}).items():
        results.loc[(results["run"] == run) & (results["round"] >= 5), "accuracy"] = value
    described = tables.results.drop_duplicates("run").set_index("run")
    described = described[["codec", "seed", "task", "model", "partition"]]
    runs = runs.join(described, on="run")
    return Tables(results, tables.ledger, tables.partitions, runs)


def both(first, second):
    """Return one store of two settings."""
    moved = second.results.assign(partition="dirichlet", run=second.results["run"] + "-d")
    results = pd.concat([first.results, moved], ignore_index=True)
    runs = pd.DataFrame({"run": results["run"].unique(), "status": "done"})
    return Tables(results, first.ledger, first.partitions, runs)
