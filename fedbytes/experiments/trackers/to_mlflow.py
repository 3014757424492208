"""MLflow's store of files: `mlflow ui --backend-store-uri file:FOLDER` shows it."""

import os
from pathlib import Path

from fedbytes.experiments.trackers.tracked_run import TrackedRun

_AT_ONCE, _LONGEST = 1000, 500
_TAG = "fedbytes.run"


def write_mlflow(run: TrackedRun, project: str, folder: Path) -> None:
    """Write a run into the experiment `project`, in the place of an earlier one.

    MLflow 3 wants to be told that files are meant; its databases are not in `mlflow-skinny`.
    """
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param

    client = MlflowClient(tracking_uri=folder.resolve().as_uri())
    known = client.get_experiment_by_name(project)
    experiment = known.experiment_id if known else client.create_experiment(project)
    for before in client.search_runs([experiment], f"tags.`{_TAG}` = '{run.run}'"):
        client.delete_run(before.info.run_id)
    made = client.create_run(experiment, tags={_TAG: run.run}, run_name=run.run).info.run_id
    settings = run.flat_settings().items()
    params = [Param(key, value[:_LONGEST]) for key, value in settings]
    metrics = [
        Metric(name, value, int(1e3 * seconds), step)
        for name, step, value, seconds in run.scalars()
    ]
    for start in range(0, len(params), 100):
        client.log_batch(made, params=params[start : start + 100])
    for start in range(0, len(metrics), _AT_ONCE):
        client.log_batch(made, metrics=metrics[start : start + _AT_ONCE])
    client.set_terminated(made)
