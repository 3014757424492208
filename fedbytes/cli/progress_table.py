"""The live table of a sweep: what is running, how far, and how long it will take."""

from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.experiments.execution.events import Advanced, Event, Failed, Preparing


def short_label(config: RunConfig) -> str:
    """Return a few words that tell a run from the others of its suite."""
    from fedbytes.cli.run_labels import partition_label
    from fedbytes.experiments.execution.runner import link_labels

    parts = config.components
    links = link_labels(parts.uplink.label, parts.downlink.label)
    method = f"{config.label} · " if config.label else ""
    return f"{method}{links['codec']} · {partition_label(config.partition)} · seed {config.seed}"


def headline(metrics: dict[str, float]) -> str:
    """Return the metric that a reader looks at first, in words."""
    if "accuracy" in metrics:
        return f"{metrics['accuracy']:.1%}"
    if "exact_match" in metrics:
        return f"ppl {metrics['perplexity']:.2f}, {metrics['exact_match']:.0%} exact"
    if "perplexity" in metrics:
        return f"ppl {metrics['perplexity']:.2f}"
    return ""


def bytes_text(count: float) -> str:
    """Return a byte count in decimal units, as on the figures' axes."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.2f} {unit}"
        count /= 1000
    return f"{count:.2f} TB"


class LiveTable:
    """A bar for the sweep and one for every running run; plain lines where there is no screen."""

    def __init__(self, configs: list[RunConfig], skipped: int, console: Console) -> None:
        self.console = console
        self.left = len(configs)
        self.bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[metric]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            speed_estimate_period=600,
            disable=not console.is_terminal,
        )
        rounds = sum(config.rounds for config in configs)
        note = f", {skipped} done before" if skipped else ""
        self.all = self.bars.add_task(
            f"rounds of {len(configs)} runs{note}", total=rounds, metric=""
        )
        self.tasks: dict[str, TaskID] = {}
        self.rounds: dict[str, int] = {}
        self.last: dict[str, Advanced] = {}

    def __enter__(self) -> "LiveTable":
        self.bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bars.stop()

    def started(self, config: RunConfig) -> None:
        """Add a bar for a run."""
        self.tasks[config.id] = self.bars.add_task(
            f"  {escape(short_label(config))}", total=config.rounds, metric=""
        )

    def told(self, config: RunConfig, event: Event) -> None:
        """Move a run's bar, or print the line of a run that has ended."""
        task = self.tasks[config.id]
        if isinstance(event, Preparing):
            share = event.done / max(event.total, 1)
            self.bars.update(task, metric=f"running frozen layers once, {event.split} {share:.0%}")
            return
        if isinstance(event, Advanced):
            self.last[config.id] = event
            text = f"{headline(event.metrics)} {bytes_text(event.total_bytes)}"
            self.bars.update(task, completed=event.round, metric=text)
            self._advance(config, event.round)
            return
        self._advance(config, config.rounds)
        self.bars.remove_task(task)
        self.left -= 1
        self.console.print(self._line(config, event), highlight=False, soft_wrap=True)

    def _advance(self, config: RunConfig, round_: int) -> None:
        self.bars.advance(self.all, round_ - self.rounds.get(config.id, 0))
        self.rounds[config.id] = round_

    def _line(self, config: RunConfig, event: Event) -> str:
        left = f"({self.left} left)"
        what = f"{config.id} {escape(short_label(config))}"
        if isinstance(event, Failed):
            return f"[red]failed[/] {what}: {escape(event.message)} {left}"
        last = self.last.get(config.id)
        result = f"{headline(last.metrics)}, {bytes_text(last.total_bytes)}" if last else ""
        return f"[green]done[/] {what}: {result} {left}"
