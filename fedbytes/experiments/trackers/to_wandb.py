"""Weights & Biases' offline runs: `wandb sync FOLDER/wandb/offline-run-…` sends one."""

import shutil
from dataclasses import replace
from pathlib import Path

from fedbytes.experiments.trackers.tracked_run import BYTES, ROUND, TrackedRun


def write_wandb(run: TrackedRun, project: str, folder: Path) -> None:
    """Write a run offline below the folder, in the place of an earlier one; nothing is sent.

    A call may have one step alone, so both sets are given their steps as metrics of their own.
    """
    import wandb

    for before in (folder / "wandb").glob(f"offline-run-*-{run.run}"):
        shutil.rmtree(before, ignore_errors=True)
    settings = wandb.Settings(console="off", silent=True)
    made = wandb.init(
        project=project,
        id=run.run,
        name=run.run,
        config=run.flat_settings(),
        dir=str(folder),
        mode="offline",
        settings=settings,
    )
    made.define_metric(f"{ROUND}/*", step_metric="round")
    made.define_metric(f"{BYTES}/*", step_metric="bytes")
    for row in run.rows:  # a run that sends nothing has the same bytes in all
        of_row = {name: value for name, _, value, _ in replace(run, rows=(row,)).scalars()}
        made.log({"round": row["round"], "bytes": row.get("total_bytes", 0)} | of_row)
    made.finish()
