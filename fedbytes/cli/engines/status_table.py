"""The table of `fedbytes status`: runs with who makes them, how far they are and what is left."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Group
from rich.live import Live

from fedbytes.cli.engines.durations import duration_text
from fedbytes.cli.progress_table import bytes_text, headline, run_label
from fedbytes.cli.run_labels import counted
from fedbytes.cli.terminal.screen import Screen
from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.experiments.engines.free_runs import live_lease
from fedbytes.experiments.engines.plan_file import SweepPlan, read_sweep_plan, rough_cost
from fedbytes.experiments.engines.remembered_damage import RememberedDamage
from fedbytes.experiments.engines.remembered_silence import RememberedSilence
from fedbytes.experiments.store.attempts.attempt_folders import run_of_attempt
from fedbytes.experiments.store.damage import place_of
from fedbytes.experiments.store.find_runs import checked_runs
from fedbytes.experiments.store.row_files import JsonRow, read_json_lines
from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.experiments.store.run_state import RunState, state_of
from fedbytes.experiments.store.sealed_json import DamageError
from fedbytes.labels import single_line
from fedbytes.plots.output.fitted_table import FittedTable

_HEADS = ("run", "what", "status", "round", "left", "metric", "bytes")
_ENDED = ("done", "failed", "damaged")


@dataclass
class _Line:
    """A run as the table shows it."""

    run: str
    state: RunState
    config: RunConfig | None
    row: JsonRow
    holder: str = ""
    place: str = ""

    @property
    def round(self) -> int:
        return int(self.row.get("round", 0))

    @property
    def seconds_left(self) -> float | None:
        """Time that a run in progress needs at the pace that it has had."""
        if self.config is None or self.state.status in _ENDED or not self.round:
            return None
        return float(self.row["seconds"]) / self.round * (self.config.rounds - self.round)

    def cells(self) -> list[str]:
        shown = self.state.status
        if self.holder:
            shown = f"{shown} on {self.holder}"
        elif not self.state.verified and self.state.status != "damaged":
            shown = f"{shown}, unverified"
        if self.config is None:
            return [self.run, "", shown, "", "", "", ""]
        left = self.seconds_left
        return [
            self.run,
            _label(self.config),
            shown,
            f"{self.round}/{self.config.rounds}",
            "" if left is None else duration_text(left),
            headline(self.row),
            bytes_text(self.row.get("total_bytes", 0)),
        ]


def show_status(store: Path, watch: bool = False, every: float = 5.0) -> None:
    """Print a table of a store's runs, and what is to be said of those not simply done.

    Args:
        store: the folder.
        watch: draw it anew until every run has ended.
        every: seconds between two drawings.
    """
    console = Screen()
    silence, damage = RememberedSilence(), RememberedDamage()
    lines = _read(store, silence, damage)
    if watch and not _all_ended(lines):
        lines = _watch(store, silence, damage, lines, every, console)
    silence.save()
    console.print(_table(lines))
    for text in _words(lines, store):
        console.print(text, soft_wrap=True)


def _watch(
    store: Path,
    silence: RememberedSilence,
    damage: RememberedDamage,
    lines: list[_Line],
    every: float,
    console: Screen,
) -> list[_Line]:
    """Draw the table until every run has ended; return its last lines."""
    said = ""
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while not _all_ended(lines):
            words = _words(lines, store)
            if console.is_terminal:
                live.update(Group(_table(lines), *words), refresh=True)
            elif words[0] != said:  # a file is not drawn over
                said = words[0]
                console.print(said, soft_wrap=True)
            time.sleep(every)
            lines = _read(store, silence, damage)
    return lines


def _all_ended(lines: list[_Line]) -> bool:
    return all(
        line.state.status in _ENDED or (line.state.status == "stale" and not line.holder)
        for line in lines
    )


def _read(store: Path, silence: RememberedSilence, known: RememberedDamage) -> list[_Line]:
    """Return the runs in the grid's order, those that no plan has at the end, by their ids."""
    found = {
        run.run: _line(run, damage, silence) for run, damage in checked_runs(store, known.find)
    }
    plan = _plan(store)
    for config in plan.runs if plan else ():
        if config.id not in found:
            found[config.id] = _line_of_planned(store, config, silence)
    place = {config.id: n for n, config in enumerate(plan.runs if plan else ())}
    return sorted(found.values(), key=lambda line: (place.get(line.run, len(place)), line.run))


def _plan(store: Path) -> SweepPlan | None:
    try:
        return read_sweep_plan(store)
    except ValueError:
        return None


def _line_of_planned(store: Path, config: RunConfig, silence: RememberedSilence) -> _Line:
    """Return the line of a run that nobody has begun, or whose folder is just being made."""
    state, holder = _held(store / config.id, RunState("waiting"), silence)
    return _Line(config.id, state, config, {}, holder)


def _line(folder: RunFolder, damage: str, silence: RememberedSilence) -> _Line:
    state, holder = _held(run_of_attempt(folder.path), state_of(folder, damage), silence)
    if damage and not holder:
        return _Line(folder.run, state, None, {}, place=place_of(folder, damage))
    try:
        config = RunConfig(**folder.settings())
        rows = read_json_lines(folder.path / "rounds.jsonl")
    except DamageError:  # its files are just being written
        return _Line(folder.run, state, None, {}, holder)
    return _Line(folder.run, state, config, rows[-1] if rows else {}, holder)


def _held(root: Path, state: RunState, silence: RememberedSilence) -> tuple[RunState, str]:
    """Return the state of a run that somebody holds, and who; else its own, and nobody."""
    lease = live_lease(root)
    if lease is None or state.status in ("done", "failed"):
        return state, ""
    silent = silence.of(lease)
    if silent < lease.seconds:
        return RunState("running", state.reason, state.verified), str(lease.holder)
    said = f"its worker has not been heard for {duration_text(silent)}"
    return RunState("stale", f"{said}: another worker takes it over", False), str(lease.holder)


def _table(lines: list[_Line]) -> FittedTable:
    table = FittedTable(*_HEADS, left=("run", "what", "status"))
    for line in lines:
        table.add_row(*line.cells())
    return table


def _words(lines: list[_Line], store: Path) -> list[str]:
    """Return how many runs there are of each status with the time left, then what is to be said."""
    counts: dict[str, int] = {}
    for line in lines:
        counts[line.state.status] = counts.get(line.state.status, 0) + 1
    said = ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "none"
    seconds, running = _seconds_left(lines, _plan(store)), counts.get("running", 0)
    if seconds is not None and running:
        said += f"; about {duration_text(seconds / running)} left with {counted(running, 'worker')}"
    notes = [line for line in lines if line.place or line.state.reason]
    return [
        said,
        *(f"{one.run} {one.state.status}: {one.place or one.state.reason}" for one in notes),
    ]


def _seconds_left(lines: list[_Line], plan: SweepPlan | None) -> float | None:
    """Return a worker's time for all that is left, at the pace of what has been made."""
    costs: Mapping[str, float] = plan.costs if plan else {}
    spent = made = left = 0.0
    for line in lines:
        if line.config is None or line.state.status in ("failed", "damaged"):
            continue
        cost, share = costs.get(line.run, rough_cost(line.config)), line.round / line.config.rounds
        spent, made = spent + float(line.row.get("seconds", 0.0)), made + cost * share
        left += cost * (1 - share)
    return spent / made * left if made else None


def _label(config: RunConfig) -> str:
    """Return a run's label, made of names alone where its plug-ins are not at hand."""
    try:
        return run_label(config)
    except ValueError:
        names = config.uplink["name"], config.partition["name"]
        return single_line(f"{' · '.join(names)} · seed {config.seed}")
