"""The progress of a sweep, drawn for whoever looks: a terminal, a notebook or a file."""

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Protocol, Self

from rich.console import Console

from fedbytes.cli.progress_table import LiveTable, bytes_text, headline, run_label
from fedbytes.cli.run_labels import counted
from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.experiments.execution.events import (
    Advanced,
    Event,
    Failed,
    LeftAlone,
    Noticed,
    Preparing,
)
from fedbytes.html_view import Bar, html_table
from fedbytes.process.notebook import display_html, is_notebook


class ProgressTable(Protocol):
    """Draws the progress of runs between its start and its end."""

    def __enter__(self) -> Self:
        """Begin to draw."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> Any:
        """Draw for the last time."""

    def started(self, config: RunConfig) -> None:
        """A run has been assigned to a worker."""

    def on_event(self, config: RunConfig, event: Event) -> None:
        """A run is being prepared, has advanced, has finished, or has failed."""


def live_table(configs: Sequence[RunConfig], skipped: int, console: Console) -> ProgressTable:
    """Return what draws the progress of `configs`: bars, or lines where nothing can be redrawn."""
    if is_notebook() and not console.quiet:
        return NotebookTable(configs, skipped, display_html)
    return LiveTable([*configs], skipped, console)


class NotebookTable:
    """A bar for the sweep and one for every run in progress, as HTML that is shown anew.

    Args:
        configs: the runs that will be made.
        skipped: how many others had finished before.
        show: shows HTML, and returns what shows other HTML in its place.
    """

    def __init__(
        self,
        configs: Sequence[RunConfig],
        skipped: int,
        show: Callable[[str], Callable[[str], None]],
    ) -> None:
        self._total = sum(config.rounds for config in configs)
        self._count, self._skipped, self._show = len(configs), skipped, show
        self._rounds: dict[str, int] = {}
        self._running: dict[str, tuple[RunConfig, str]] = {}
        self._said: list[str] = []
        self._ended = 0
        self._update: Callable[[str], None] | None = None

    def __enter__(self) -> Self:
        self._draw()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._running.clear()
        self._draw()

    def started(self, config: RunConfig) -> None:
        """Add a bar for a run."""
        self._running[config.id] = config, ""
        self._draw()

    def on_event(self, config: RunConfig, event: Event) -> None:
        """Update a run's bar; say what went wrong."""
        if isinstance(event, Preparing):
            share = event.done / max(event.total, 1)
            self._running[config.id] = config, f"caching frozen layers, {share:.0%}"
        elif isinstance(event, Noticed):
            self._said.append(f"note: {event.message}")
        elif isinstance(event, Advanced):
            self._rounds[config.id] = event.round
            text = f"{headline(event.metrics)} {bytes_text(event.total_bytes)}"
            self._running[config.id] = config, text
        else:
            if isinstance(event, Failed):
                self._said.append(f"failed: {config.id} {run_label(config)}: {event.message}")
            if isinstance(event, LeftAlone):
                self._said.append(f"left: {config.id} {run_label(config)}: {event.message}")
            else:
                self._rounds[config.id] = config.rounds
            self._running.pop(config.id, None)
            self._ended += 1
        self._draw()

    def _draw(self) -> None:
        done = sum(self._rounds.values())
        before = f", {self._skipped} finished before" if self._skipped else ""
        title = f"{self._ended} of {counted(self._count, 'run')}{before}"
        rows: list[tuple[object, ...]] = [
            ("all rounds", Bar(done, self._total, f"{done} of {self._total}"), "")
        ]
        for config, text in self._running.values():
            at = self._rounds.get(config.id, 0)
            bar = Bar(at, config.rounds, f"{at} of {config.rounds}")
            rows.append((run_label(config), bar, text))
        html = html_table(title, rows, note="; ".join(self._said))
        if self._update is None:
            self._update = self._show(html)
        else:
            self._update(html)
