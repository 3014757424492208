"""Progress bars of downloads and other long steps."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import rich.progress as bars


class Progress:
    """Progress bars on standard error, or none with `shown=False`.

    A context manager around one or several steps.
    """

    def __init__(self, shown: bool = True) -> None:
        self._bars: bars.Progress | None = None
        if shown:
            from rich.console import Console

            self._bars = bars.Progress(
                bars.SpinnerColumn(),
                bars.TextColumn("{task.description}"),
                bars.BarColumn(),
                bars.DownloadColumn(),
                bars.TimeElapsedColumn(),
                console=Console(stderr=True),
                transient=False,
            )

    def __enter__(self) -> "Progress":
        if self._bars:
            self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bars:
            self._bars.stop()

    @contextmanager
    def step(self, what: str, total: int | None = None) -> Iterator["Step"]:
        """Show one step, of `total` bytes if known, until the block ends."""
        if self._bars is None:
            yield Step()
            return
        task = self._bars.add_task(what, total=total)
        yield Step(self._bars, task)
        size = total or 1
        self._bars.update(task, total=size, completed=size)


class Step:
    """One line of progress."""

    def __init__(self, owner: bars.Progress | None = None, task: bars.TaskID | None = None) -> None:
        self._owner, self._task = owner, task

    def at(self, completed: int) -> None:
        """Set the number of bytes done."""
        if self._owner is not None and self._task is not None:
            self._owner.update(self._task, completed=completed)


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
