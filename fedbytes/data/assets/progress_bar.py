"""Progress bars of downloads and other long steps."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import rich.progress as bars
from rich.console import Console


class Progress(bars.Progress):
    """Progress on standard error; `shown=False` prints nothing.

    A context manager around one or several steps.
    """

    def __init__(self, shown: bool = True) -> None:
        super().__init__(
            bars.SpinnerColumn(),
            bars.TextColumn("{task.description}"),
            bars.BarColumn(),
            bars.DownloadColumn(),
            bars.TimeElapsedColumn(),
            console=Console(stderr=True),
            disable=not shown,
        )

    @contextmanager
    def step(self, what: str, total: int | None = None) -> Iterator["Step"]:
        """Show one step, of `total` bytes if known, until the block ends."""
        task = self.add_task(what, total=total)
        yield Step(self, task)
        self.update(task, total=total or 1, completed=total or 1)


@dataclass(frozen=True)
class Step:
    """One bar of a `Progress`."""

    owner: bars.Progress
    task: bars.TaskID

    def at(self, completed: int) -> None:
        """Set how many bytes are done."""
        self.owner.update(self.task, completed=completed)


@contextmanager
def watch_growth(progress: Progress, what: str, folder: Path, total: int) -> Iterator[None]:
    """Show the bytes under `folder` as the progress of the block, updated five times per second."""
    finished = threading.Event()
    with progress.step(what, total) as step:

        def update() -> None:
            while not finished.wait(0.2):
                step.at(min(total, folder_bytes(folder)))

        watcher = threading.Thread(target=update, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            finished.set()
            watcher.join()


def folder_bytes(folder: Path) -> int:
    """Return the bytes of the files under `folder`, ignoring those that disappear meanwhile."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue
    return total
