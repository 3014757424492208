"""Runs of a suite: expanded, estimated, made and listed."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from fedbytes.cli.progress_table import LiveTable, bytes_text, headline, run_label
from fedbytes.cli.run_labels import counted
from fedbytes.cli.terminal.screen import Screen, coloured, warn
from fedbytes.data import fetch
from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.experiments.config.suite_file import Suite, load_suite
from fedbytes.experiments.execution import preflight
from fedbytes.experiments.execution.cost_estimate import estimate
from fedbytes.experiments.execution.run_setup import assets_of
from fedbytes.experiments.execution.sweeps import Outcome, default_workers, open_store
from fedbytes.experiments.execution.sweeps import sweep as make_runs
from fedbytes.experiments.store.results import run_folders
from fedbytes.experiments.store.run_folder import RunFolder, read_json_lines, write_atomically
from fedbytes.labels import single_line

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
) -> Outcome:
    """Make the runs that have not finished, with a table of their progress."""
    store = open_store(folder)
    fetch_assets(configs)
    status = {config.id: RunFolder(store, config.id).status for config in configs}
    warn(preflight.check([config for config in configs if status[config.id] != "done"]))
    left = ("failed", "done") if not retry_failed else ("done",)
    queue = [config for config in configs if status[config.id] not in left]
    skipped = sum(value == "done" for value in status.values())
    console.print(f"{len(queue)} of {counted(len(configs), 'run')} to make in {store}")
    with LiveTable(queue, skipped, console) as table:
        outcome = make_runs(
            configs,
            store,
            workers=workers,
            threads=threads,
            retry_failed=retry_failed,
            reporter=table,
        )
    about = {key: getattr(suite, key) for key in ("name", "title", "target", "baseline")}
    write_atomically(store / "suite.json", json.dumps(about) + "\n")
    done = len(outcome.done) + len(outcome.skipped)
    console.print(f"{done} of {counted(len(configs), 'run')} done in {store}")
    if outcome.relabelled:
        again = counted(len(outcome.relabelled), "finished or failed run")
        console.print(f"{again} now under the label that the suite gives it")
    for run, message in outcome.failed.items():
        console.print(coloured("failed", "red", f"{run}: {message}"), soft_wrap=True)
    if outcome.failed:
        console.print("retry them with `fedbytes sweep … --retry-failed`")
    return outcome


def make_one(config: RunConfig, folder: Path, threads: int | None) -> bool:
    """Make a single run in one worker; return whether it failed."""
    store = open_store(folder)
    fetch_assets([config])
    warn(preflight.check([config]))
    pending = [] if RunFolder(store, config.id).status == "done" else [config]
    with LiveTable(pending, 1 - len(pending), console) as table:
        outcome = make_runs(
            [config],
            store,
            workers=1,
            threads=threads or os.cpu_count(),
            retry_failed=True,
            relabel=config.label is not None,  # a run made alone may be one of a suite's
            reporter=table,
        )
    console.print(f"run: {store / config.id}", soft_wrap=True)
    return bool(outcome.failed)


def fetch_assets(configs: Sequence[RunConfig], models: bool = True) -> None:
    """Fetch every asset before workers start, with one progress bar on the screen."""
    for name in sorted({name for config in configs for name in assets_of(config, models)}):
        fetch(name, progress=sys.stderr.isatty())


def show_status(store: Path) -> None:
    """Print a table of a store's runs."""
    table = Table("run", "what", "status", "round", "metric", "bytes", box=None)
    table.columns[0].no_wrap = True
    counts: dict[str, int] = {}
    for folder in run_folders(store):
        config = RunConfig(**folder.settings())
        rows = read_json_lines(folder.path / "rounds.jsonl")
        last = rows[-1] if rows else {}
        counts[folder.status] = counts.get(folder.status, 0) + 1
        table.add_row(
            folder.run,
            _label(config),
            folder.status,
            f"{last.get('round', 0)}/{config.rounds}",
            headline(last),
            bytes_text(last.get("total_bytes", 0)),
        )
    console.print(table)
    console.print(", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "none")


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
    table = Table("run", "what", "up", "down", "minutes", box=None)
    for config, cost in zip(configs, costs, strict=True):
        table.add_row(
            config.id,
            run_label(config),
            bytes_text(cost.up_bytes),
            bytes_text(cost.down_bytes),
            f"{cost.seconds / 60:.1f}",
        )
    console.print(table)
    total = sum(cost.up_bytes + cost.down_bytes for cost in costs)
    minutes = sum(cost.seconds for cost in costs) / 60 / min(count, len(costs))
    console.print(
        f"{suite.name}: {counted(len(costs), 'run')}, {bytes_text(total)}, about "
        f"{minutes:.0f} minutes with {counted(count, 'worker')}",
        highlight=False,
    )
