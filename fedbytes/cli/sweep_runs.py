"""Runs of a suite: expanded, estimated, made and listed."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from fedbytes.cli.analysis.target_check import check_targets
from fedbytes.cli.progress_table import bytes_text, headline, run_label
from fedbytes.cli.run_labels import counted
from fedbytes.cli.terminal.live import live_table
from fedbytes.cli.terminal.screen import Screen, coloured, warn
from fedbytes.data import fetch
from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.experiments.config.suite_file import Suite, load_suite
from fedbytes.experiments.execution import preflight
from fedbytes.experiments.execution.cost_estimate import estimate, sweep_seconds
from fedbytes.experiments.execution.reuse import IfStale
from fedbytes.experiments.execution.run_setup import assets_of
from fedbytes.experiments.execution.sweep_plan import Outcome, plan
from fedbytes.experiments.execution.sweeps import default_workers, open_store
from fedbytes.experiments.execution.sweeps import sweep as make_runs
from fedbytes.experiments.store.damage import place_of
from fedbytes.experiments.store.find_runs import checked_runs
from fedbytes.experiments.store.row_files import read_json_lines
from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.experiments.store.run_state import state_of
from fedbytes.experiments.store.sealed_json import write_sealed
from fedbytes.experiments.store.tries import LIMIT, tries
from fedbytes.labels import single_line
from fedbytes.plots.output.fitted_table import FittedTable

console = Screen()


def expand(suite: Suite, overrides: Sequence[str], plugins: Sequence[Path]) -> list[RunConfig]:
    """Return a suite's runs, whose workers load the plug-in files as well."""
    if not plugins:
        return suite.expand(overrides)
    files = json.dumps([*suite.plugins, *map(str, plugins)])
    return suite.expand([*overrides, f"plugins={files}"])


def single_run(name: str | None, overrides: Sequence[str], plugins: Sequence[Path]) -> RunConfig:
    """Return the one run that the words stand for.

    Raises:
        ValueError: if they stand for several.
    """
    suite = load_suite(name) if name else Suite("run")
    configs = expand(suite, overrides, plugins)
    if len(configs) > 1:
        raise ValueError(
            f"suite {suite.name!r} has {len(configs)} runs; narrow it to one by giving a value "
            f"for each of {', '.join(suite.grid)}"
        )
    return configs[0]


def make_suite(
    suite: Suite,
    configs: Sequence[RunConfig],
    folder: Path,
    *,
    workers: int | None,
    threads: int | None,
    retry_failed: bool,
    if_stale: IfStale = "refuse",
    console: Console = console,
) -> Outcome:
    """Make the runs that have not finished, with a table of their progress."""
    store = open_store(folder)
    fetch_assets(configs)
    check_targets(suite.protocol, configs)
    left, queue = plan(configs, store, retry_failed=retry_failed, if_stale=if_stale)
    warn([*preflight.check(queue), *_kept_unverified(left)])
    console.print(f"{len(queue)} of {counted(len(configs), 'run')} to make in {store}")
    with live_table(queue, len(left.skipped), console) as table:
        outcome = make_runs(
            configs,
            store,
            workers=workers,
            threads=threads,
            retry_failed=retry_failed,
            if_stale=if_stale,
            reporter=table,
        )
    about = {key: getattr(suite, key) for key in ("name", "title", "target", "baseline")}
    declared = [config.declared for config in configs if config.declared]
    about |= {"protocol": declared[0]["protocol"]} if suite.protocol else {}
    write_sealed(store / "suite.json", about)
    done = len(outcome.done) + len(outcome.skipped)
    console.print(f"{done} of {counted(len(configs), 'run')} done in {store}")
    if outcome.relabelled:
        again = counted(len(outcome.relabelled), "finished or failed run")
        console.print(f"{again} now under the label that the suite gives it")
    for run, message in outcome.failed.items():
        console.print(coloured("failed", "red", f"{run}: {message}"), soft_wrap=True)
    if any(RunFolder(store, run).status == "failed" for run in outcome.failed):
        console.print("retry them with `fedbytes sweep … --retry-failed`")
    return outcome


def _kept_unverified(left: Outcome) -> list[str]:
    """Return what is said of runs that are kept though nobody can tell what they were made from."""
    return [f"run {run} is kept, {reason}" for run, reason in left.unverified.items()]


def make_one(
    config: RunConfig,
    folder: Path,
    threads: int | None,
    *,
    retry_failed: bool = False,
    if_stale: IfStale = "refuse",
) -> bool:
    """Make a single run in one worker; return whether it failed.

    One that failed is made again, unless its process died three times without finishing a round.
    """
    store = open_store(folder)
    fetch_assets([config])
    retry = retry_failed or tries(RunFolder(store, config.id)) < LIMIT
    left, pending = plan([config], store, retry_failed=retry, if_stale=if_stale)
    warn([*preflight.check(pending), *_kept_unverified(left)])
    with live_table(pending, len(left.skipped), console) as table:
        outcome = make_runs(
            [config],
            store,
            workers=1,
            threads=threads or os.cpu_count(),
            retry_failed=retry,
            if_stale=if_stale,
            relabel=config.label is not None,  # a run made alone may be one of a suite's
            reporter=table,
        )
    for message in left.failed.values():
        console.print(coloured("failed", "red", f"{config.id}: {message}"), soft_wrap=True)
    console.print(f"run: {store / config.id}", soft_wrap=True)
    return bool(outcome.failed)


def fetch_assets(configs: Sequence[RunConfig], models: bool = True) -> None:
    """Fetch every asset before workers start, with one progress bar on the screen."""
    for name in sorted({name for config in configs for name in assets_of(config, models)}):
        fetch(name, progress=sys.stderr.isatty())


def show_status(store: Path) -> None:
    """Print a table of a store's runs, and what is to be said of those not simply done."""
    heads = ("run", "what", "status", "round", "metric", "bytes")
    table = FittedTable(*heads, left=("run", "what", "status"))
    counts: dict[str, int] = {}
    notes = []
    for folder, damage in checked_runs(store):
        state = state_of(folder, damage)
        counts[state.status] = counts.get(state.status, 0) + 1
        if state.reason:
            where = place_of(folder, damage) if damage else state.reason
            notes.append(f"{folder.run} {state.status}: {where}")
        shown = state.status if state.verified or damage else f"{state.status}, unverified"
        table.add_row(folder.run, *_what_and_where(folder, shown, bool(damage)))
    console.print(table)
    console.print(", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "none")
    for note in notes:
        console.print(note, soft_wrap=True)


def _what_and_where(folder: RunFolder, status: str, damaged: bool) -> list[str]:
    """Return the cells of a run's row after its id."""
    if damaged:
        return ["", status, "", "", ""]
    config = RunConfig(**folder.settings())
    rows = read_json_lines(folder.path / "rounds.jsonl")
    last = rows[-1] if rows else {}
    at = f"{last.get('round', 0)}/{config.rounds}"
    total = bytes_text(last.get("total_bytes", 0))
    return [_label(config), status, at, headline(last), total]


def _label(config: RunConfig) -> str:
    """Return a run's label, made of names alone where its plug-ins are not at hand."""
    try:
        return run_label(config)
    except ValueError:
        names = config.uplink["name"], config.partition["name"]
        return single_line(f"{' · '.join(names)} · seed {config.seed}")


def show_estimate(
    suite: Suite, configs: Sequence[RunConfig], workers: int | None, threads: int | None
) -> None:
    """Print what each run would send and how long it would take; nothing is stored."""
    fetch_assets(configs)
    warn(preflight.check(configs))
    count = workers or default_workers()
    costs = estimate(configs, threads or max(1, (os.cpu_count() or 1) // count))
    heads = ("run", "what", "up", "down", "minutes", "memory")
    table = FittedTable(*heads, left=("run", "what"))
    for config, cost in zip(configs, costs, strict=True):
        table.add_row(
            config.id,
            run_label(config),
            bytes_text(cost.up_bytes),
            bytes_text(cost.down_bytes),
            _minutes(cost.seconds),
            bytes_text(cost.memory_bytes),
        )
    console.print(table)
    count = min(count, len(costs))
    total = sum(cost.up_bytes + cost.down_bytes for cost in costs)
    memory = count * max(cost.memory_bytes for cost in costs)
    gpu = max((cost.gpu_bytes or 0 for cost in costs), default=0)
    on_gpu = f" and {bytes_text(count * gpu)} on the GPU" if gpu else ""
    console.print(
        f"{suite.name}: {counted(len(costs), 'run')}, {bytes_text(total)}, about "
        f"{_minutes(sweep_seconds(costs, count))} minutes and {bytes_text(memory)} of "
        f"memory{on_gpu} with {counted(count, 'worker')}",
        highlight=False,
    )


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f}" if seconds < 600 else f"{seconds / 60:.0f}"
