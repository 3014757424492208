"""What the command line's verbs do, apart from parsing and drawing."""

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fedbytes.cli.progress_table import LiveTable, bytes_text, headline, short_label
from fedbytes.data import fetch
from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.experiments.config.suite_file import Suite, load_suite
from fedbytes.experiments.execution import preflight
from fedbytes.experiments.execution.cost_estimate import estimate
from fedbytes.experiments.execution.run_setup import assets_of
from fedbytes.experiments.execution.sweeps import default_workers, open_store
from fedbytes.experiments.execution.sweeps import sweep as make_runs
from fedbytes.experiments.store.results import run_folders
from fedbytes.experiments.store.run_folder import RunFolder, read_json_lines, write_atomically

console = Console()

Report = Callable[[Path, float | str | None], None]


def sweep(
    name: str,
    overrides: Sequence[str],
    *,
    out: Path | None,
    workers: int | None,
    threads: int | None,
    plugins: Sequence[Path],
    retry_failed: bool,
    dry_run: bool,
    report: Report | None,
) -> int:
    """Make a suite's runs; return the exit code: 0, or 1 when a run failed."""
    suite = load_suite(name)
    configs = suite.expand([*overrides, *_plugin_override(suite, plugins)])
    store = None if dry_run else open_store(out or Path("runs") / suite.name)
    fetch_assets(configs)
    pending = [c for c in configs if store is None or RunFolder(store, c.id).status != "done"]
    preflight.check(pending)
    if store is None:
        _show_estimate(suite, configs, workers, threads)
        return 0
    waiting = [c for c in configs if RunFolder(store, c.id).status not in ("done", "failed")]
    retried = [c for c in configs if retry_failed and RunFolder(store, c.id).status == "failed"]
    skipped = sum(RunFolder(store, c.id).status == "done" for c in configs)
    count = len(waiting) + len(retried)
    console.print(f"{count} of {len(configs)} runs to make in {store}", highlight=False)
    with LiveTable([*waiting, *retried], skipped, console) as table:
        outcome = make_runs(
            configs,
            store,
            workers=workers,
            threads=threads,
            retry_failed=retry_failed,
            reporter=table,
        )
    write_atomically(
        store / "suite.json",
        json.dumps({key: getattr(suite, key) for key in ("name", "title", "target", "baseline")})
        + "\n",
    )
    done = len(outcome.done) + len(outcome.skipped)
    console.print(f"{done} of {len(configs)} runs are done in {store}", highlight=False)
    for run, message in outcome.failed.items():
        console.print(f"[red]failed[/] {run}: {escape(message)}", highlight=False, soft_wrap=True)
    if outcome.failed:
        console.print("`fedbytes sweep … --retry-failed` takes them up again", highlight=False)
    if report is not None and done:
        report(store, suite.target)
    return 1 if outcome.failed else 0


def run_one(
    overrides: Sequence[str],
    suite: str | None,
    *,
    out: Path | None,
    threads: int | None,
    plugins: Sequence[Path],
) -> int:
    """Make a single run in one worker; return the exit code."""
    config = _one(overrides, suite, plugins)
    store = open_store(out or Path("runs") / config.suite)
    fetch_assets([config])
    preflight.check([config])
    status = RunFolder(store, config.id).status
    pending = [] if status == "done" else [config]
    with LiveTable(pending, 1 - len(pending), console) as table:
        outcome = make_runs(
            [config],
            store,
            workers=1,
            threads=threads or os.cpu_count(),
            retry_failed=True,
            reporter=table,
        )
    console.print(f"run: {store / config.id}", highlight=False, soft_wrap=True)
    return 1 if outcome.failed else 0


def status(store: Path) -> None:
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
            escape(short_label(config)),
            folder.status,
            f"{last.get('round', 0)}/{config.rounds}",
            headline(last),
            bytes_text(last.get("total_bytes", 0)),
        )
    console.print(table)
    console.print(", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "none")


def _one(overrides: Sequence[str], suite: str | None, plugins: Sequence[Path]) -> RunConfig:
    chosen = load_suite(suite) if suite else Suite("run")
    configs = chosen.expand([*overrides, *_plugin_override(chosen, plugins)])
    if len(configs) > 1:
        axes = ", ".join(chosen.grid)
        raise ValueError(
            f"suite {chosen.name!r} has {len(configs)} runs; narrow it to one by giving a value "
            f"for each of {axes}"
        )
    return configs[0]


def _plugin_override(suite: Suite, plugins: Sequence[Path]) -> list[str]:
    if not plugins:
        return []
    return [f"plugins={json.dumps([*suite.plugins, *map(str, plugins)])}"]


def fetch_assets(configs: Sequence[RunConfig], models: bool = True) -> None:
    """Have every asset at hand before workers start, with one progress bar on the screen."""
    for name in sorted({name for config in configs for name in assets_of(config, models)}):
        fetch(name, progress=sys.stderr.isatty())


def _show_estimate(
    suite: Suite, configs: Sequence[RunConfig], workers: int | None, threads: int | None
) -> None:
    count = workers or default_workers()
    costs = estimate(configs, threads or max(1, (os.cpu_count() or 1) // count))
    table = Table("run", "what", "up", "down", "minutes", box=None)
    for config, cost in zip(configs, costs, strict=True):
        table.add_row(
            config.id,
            escape(short_label(config)),
            bytes_text(cost.up_bytes),
            bytes_text(cost.down_bytes),
            f"{cost.seconds / 60:.1f}",
        )
    console.print(table)
    total = sum(cost.up_bytes + cost.down_bytes for cost in costs)
    minutes = sum(cost.seconds for cost in costs) / 60 / min(count, len(costs))
    console.print(
        f"{suite.name}: {len(costs)} runs, {bytes_text(total)}, about {minutes:.0f} minutes "
        f"with {count} workers",
        highlight=False,
    )
