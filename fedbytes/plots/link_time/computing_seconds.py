"""Seconds that a run computed, where it also waited for other programs of its machine."""

from dataclasses import replace

import pandas as pd

from fedbytes.plots.tables.store_tables import Tables

_PHASES = ("train", "aggregate", "encode", "decode")


def without_waiting(tables: Tables) -> Tables:
    """Return the tables with seconds of training, aggregating and coding that leave out waiting.

    Of each run and phase the smaller of wall and process seconds counts: a process of several
    threads adds them up, and on a busy machine the wall counts waiting. Messages, whose wall
    seconds alone are stored, are scaled by their run's share. Runs that lack the seconds of their
    process stay as they are. Done twice, it is as done once.
    """
    runs, ledger = tables.runs.copy(), tables.ledger.copy()
    for phase in _PHASES:
        name = f"seconds_{phase}"
        if name not in runs or f"process_{name}" not in runs:
            continue
        wall, process = (pd.to_numeric(runs[n]) for n in (name, f"process_{name}"))
        counted = pd.concat([wall, process], axis=1).min(axis=1)  # what is not known is left out
        share = (counted / wall.where(wall > 0)).fillna(1.0)
        runs[name] = counted.where(wall.notna())
        if f"{phase}_seconds" in ledger:
            of_run = dict(zip(runs["run"], share, strict=True))
            ledger[f"{phase}_seconds"] *= ledger["run"].map(of_run).fillna(1.0)
    return replace(tables, runs=runs, ledger=ledger)
