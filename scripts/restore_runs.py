"""Writes `runs.jsonl` beside rows that were published before it was kept: what each run was asked.

    python scripts/restore_runs.py noniid finetune

A run's id is the digest of its configuration. So the configurations of a shipped suite whose ids
stand in `results.csv` are those of its runs; where an id is of none, nothing is written. With them
settings are told apart, and what always giving one answer reaches is counted from the same test
labels. Seconds and bytes by kind, which no configuration tells, stay unknown.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from fedbytes.experiments import RunConfig, load_suite
from fedbytes.models import encode_task
from fedbytes.plots.tables.kept.kept_rows import RUNS_FILE

RESULTS = Path(__file__).parents[1] / "docs" / "results"


def restore(folder: Path) -> list[str]:
    """Write the runs of a folder whose configurations the suite of its name has.

    Returns:
        the ids of those runs of the rows that it has not; with any, nothing is written.
    """
    rows = pd.read_csv(folder / "results.csv", dtype={"run": str})
    known = {config.id: config for config in load_suite(folder.name).expand()}
    ended = rows.groupby("run")["round"].max() >= rows.groupby("run")["rounds"].max()
    unknown = [str(run) for run in ended.index if run not in known]
    if unknown:
        return unknown
    constants: dict[str, float | None] = {}
    lines = []
    for run, done in ended.items():
        config = known[str(run)]
        key = json.dumps([config.task, config.model], sort_keys=True, default=str)
        if key not in constants:
            constants[key] = count_constant(config)
        line = {"run": run, "status": "done" if done else "interrupted"}
        line |= {"config": config.model_dump(mode="json")}
        if constants[key] is not None:
            line["constant_accuracy"] = constants[key]
        lines.append(json.dumps(line, sort_keys=True, ensure_ascii=False) + "\n")
    (folder / RUNS_FILE).write_text("".join(lines), encoding="utf-8")
    return []


def count_constant(config: RunConfig) -> float | None:
    """Return the accuracy of always answering the largest test class; None without classes."""
    parts = config.components
    labels = encode_task(parts.task, parts.model).test.labels
    if labels is None:
        return None
    counts = np.bincount(labels)
    return float(counts.max() / counts.sum())


def main(names: list[str]) -> int:
    """Restore the named folders; return how many could not be."""
    left = 0
    for name in names:
        unknown = restore(RESULTS / name)
        left += bool(unknown)
        words = f"no configuration of {', '.join(unknown)}" if unknown else f"{RUNS_FILE} written"
        print(f"{name}: {words}")
    return left


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
