"""The live table of a sweep: runs in progress, their rounds and the time left."""

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from fedbytes.cli.run_labels import counted, partition_label
from fedbytes.cli.terminal.screen import coloured
from fedbytes.experiments.config.method_name import AGAIN, link_labels
from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.experiments.execution.events import (
    Advanced,
    Event,
    Failed,
    LeftAlone,
    Noticed,
    Preparing,
)
from fedbytes.labels import single_line
from fedbytes.plots.number_words import format_bytes, format_value


def run_label(config: RunConfig) -> str:
    """Return a few words that distinguish a run from the others of its suite."""
    parts = config.components
    links = link_labels(parts.uplink.label, parts.downlink.label)
    method = f"{config.label} · " if config.label else ""
    again = AGAIN * bool(config.batch_stream)
    split = partition_label(config.partition)
    return single_line(f"{method}{links['codec']}{again} · {split} · seed {config.seed}")


def headline(metrics: dict[str, float]) -> str:
    """Return the main metric as text."""
    if "accuracy" in metrics:
        return f"{metrics['accuracy']:.1%}"
    if "exact_match" in metrics:
        return f"ppl {format_value(metrics['perplexity'], 2)}, {metrics['exact_match']:.0%} exact"
    if "perplexity" in metrics:
        return f"ppl {format_value(metrics['perplexity'], 2)}"
    return ""


def bytes_text(count: float) -> str:
    """Return a byte count in decimal units, as on the figures' axes."""
    if not count < 1e21:
        return format_bytes(count)
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.2f} {unit}"
        count /= 1000
    return f"{count:.2f} TB"


class LiveTable(Progress):
    """A bar for the sweep and one for every run in progress; plain lines without a terminal."""

    def __init__(self, configs: list[RunConfig], skipped: int, console: Console) -> None:
        super().__init__(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[metric]}", markup=False),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            speed_estimate_period=600,
            disable=not console.is_terminal,
        )
        rounds = sum(config.rounds for config in configs)
        note = f", {skipped} finished before" if skipped else ""
        text = f"rounds of {counted(len(configs), 'run')}{note}"
        self.whole = self.add_task(text, total=rounds, metric="")
        self.runs = len(configs)
        self.ended: set[str] = set()
        self.bars: dict[str, TaskID] = {}
        self.rounds: dict[str, int] = {}
        self.last: dict[str, Advanced] = {}

    def started(self, config: RunConfig) -> None:
        """Add a bar for a run."""
        self.bars[config.id] = self.add_task(
            f"  {run_label(config)}", total=config.rounds, metric=""
        )

    def on_event(self, config: RunConfig, event: Event) -> None:
        """Update a run's bar, or print one line for a run that has ended."""
        bar = self.bars[config.id]
        if isinstance(event, Preparing):
            share = event.done / max(event.total, 1)
            self.update(bar, metric=f"caching frozen layers, {event.split} {share:.0%}")
            return
        if isinstance(event, Noticed):
            self.console.print(coloured("note", "yellow", event.message), soft_wrap=True)
            return
        if isinstance(event, Advanced):
            self.last[config.id] = event
            text = f"{headline(event.metrics)} {bytes_text(event.total_bytes)}"
            self.update(bar, completed=event.round, metric=text)
            self._advance(config, event.round)
            return
        if not isinstance(event, LeftAlone):
            self._advance(config, config.rounds)
            self.ended.add(config.id)
        self.remove_task(bar)
        self.console.print(self._line(config, event), soft_wrap=True)

    def _advance(self, config: RunConfig, round_: int) -> None:
        self.advance(self.whole, round_ - self.rounds.get(config.id, 0))
        self.rounds[config.id] = round_

    def _line(self, config: RunConfig, event: Event) -> Text:
        left = f"({self.runs - len(self.ended)} left)"
        what = f"{config.id} {run_label(config)}"
        if isinstance(event, Failed):
            return coloured("failed", "red", f"{what}: {event.message} {left}")
        if isinstance(event, LeftAlone):
            return coloured("left", "yellow", f"{what}: {event.message} {left}")
        last = self.last.get(config.id)
        result = f"{headline(last.metrics)}, {bytes_text(last.total_bytes)}" if last else ""
        return coloured("done", "green", f"{what}: {result} {left}")
