"""Weights & Biases' offline runs: `wandb sync FOLDER/wandb/offline-run-…` sends one."""

import shutil
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
    rows: dict[int, dict[str, float]] = {}
    for row in run.rows:
        rows[row["round"]] = {"round": row["round"], "bytes": row.get("total_bytes", 0)}
    of_bytes = {int(row["bytes"]): round_ for round_, row in rows.items()}
    for name, step, value, _ in run.scalars():
        rows[of_bytes[step] if name.startswith(f"{BYTES}/") else step][name] = value
    for logged in rows.values():
        made.log(logged)
    made.finish()
