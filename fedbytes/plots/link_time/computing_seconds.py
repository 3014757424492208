"""Seconds that a run computed: without waiting for other programs, and whose they are."""

from dataclasses import replace

import pandas as pd

from fedbytes.plots.tables.store_tables import Tables, read_mapping

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


def shared_seconds_note(tables: Tables) -> list[str]:
    """Return a line on runs whose clients trained side by side, and so sooner than each alone."""
    runs = tables.runs[tables.runs["run"].isin(set(tables.finished()["run"]))]
    configs = [read_mapping(config) for config in runs["config"]] if "config" in runs else []
    several = sorted({int(one.get("clients_at_once", 1)) for one in configs} - {1})
    if not several:
        return []
    counts = ", ".join(map(str, several))
    return [
        f"clients trained side by side (clients_at_once={counts}): a client's training counts as "
        "its share of its group's seconds, less than a client takes that trains alone; "
        "clients_at_once=1 measures that, and --slower makes up for it"
    ]
