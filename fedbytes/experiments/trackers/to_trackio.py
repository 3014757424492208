"""trackio's local database: `TRACKIO_DIR=FOLDER trackio show` shows it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from fedbytes.experiments.trackers.tracked_run import BYTES, TrackedRun

_WORK = """
import json, sys
import trackio
told = json.load(sys.stdin)
try:
    before = list(trackio.Api().runs(told["project"]))
except ValueError:  # there is no such project yet
    before = []
for old in before:
    if old.name == told["run"]:
        old.delete()
trackio.init(project=told["project"], name=told["run"], config=told["settings"], embed=False,
             auto_log_gpu=False, auto_log_cpu=False)
for step, row in told["rows"]:
    trackio.log(row, step=step)
trackio.finish()
"""


def write_trackio(run: TrackedRun, project: str, folder: Path) -> None:
    """Write a run into the database of `project` in the folder, in the place of an earlier one.

    trackio settles on its folder when it is imported, so this happens in a process of its own.

    Raises:
        ValueError: if trackio fails; with its last line.
    """
    rows = [[step, row] for (_, step), row in _rows(run).items()]
    told = {"project": project, "run": run.run, "settings": run.flat_settings(), "rows": rows}
    environment = os.environ | {"TRACKIO_DIR": str(folder.resolve())}
    done = subprocess.run(
        [sys.executable, "-c", _WORK],
        input=json.dumps(told),
        env=environment,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ValueError(f"trackio could not write run {run.run}: {last}")


def _rows(run: TrackedRun) -> dict[tuple[bool, int], dict[str, Any]]:
    """Return what is logged at each step, of rounds and of bytes, in their order."""
    found: dict[tuple[bool, int], dict[str, Any]] = {}
    for name, step, value, _ in run.scalars():
        found.setdefault((name.startswith(f"{BYTES}/"), step), {})[name] = value
    return dict(sorted(found.items()))
