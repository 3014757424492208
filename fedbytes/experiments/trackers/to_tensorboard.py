"""TensorBoard's event files: `tensorboard --logdir FOLDER` shows them."""

from pathlib import Path

from fedbytes.experiments.trackers.tracked_run import TrackedRun


def write_tensorboard(run: TrackedRun, project: str, folder: Path) -> None:
    """Write a run's event file into `folder/RUN`, in the place of an earlier one.

    Wall times are the run's own seconds, so that two exports show the same.
    """
    from torch.utils.tensorboard import SummaryWriter

    place = folder / run.run
    before = set(place.glob("events.out.tfevents.*"))
    writer = SummaryWriter(str(place))
    try:
        settings = sorted(run.flat_settings().items())
        table = "\n".join(f"| {key} | `{value}` |" for key, value in settings)
        writer.add_text("settings", f"| {project} | {run.run} |\n|---|---|\n{table}", 0, 0.0)
        for name, step, value, seconds in run.scalars():
            writer.add_scalar(name, value, step, seconds)
    finally:
        writer.close()
    for path in before:
        path.unlink(missing_ok=True)
