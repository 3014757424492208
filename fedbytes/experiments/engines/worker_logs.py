"""What a run's last worker wrote to its log, for whoever is told that it came to nothing."""

from collections.abc import Iterator
from pathlib import Path

from fedbytes.experiments.engines.slurm_jobs import noted_jobs

_TAIL = 4096  # bytes of a log that are looked at
_WIDEST = 300  # characters of its last line that are shown


def last_words(store: Path, run: str) -> str:
    """Return the last line of the newest log of a run's workers, empty if there is none.

    Args:
        store: the folder of runs.
        run: the run's id.
    """
    logs = [path for path in _logs(store, run) if path.is_file()]
    for path in sorted(logs, key=lambda path: path.stat().st_mtime, reverse=True):
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL))
            lines = file.read().decode("utf-8", errors="replace").split("\n")
        if words := [line.strip() for line in lines if line.strip()]:
            return " ".join(words[-1].split())[:_WIDEST]
    return ""


def _logs(store: Path, run: str) -> Iterator[Path]:
    """Yield the logs that are named after the run, and those of its newest job."""
    for folder in (store / "engines").glob("*"):
        yield from folder.glob(f"{run}*.log")
        newest = [job for job, made in noted_jobs(folder) if made == run][-1:]
        for job in newest:
            yield from folder.glob(f"{job}[._]*")
