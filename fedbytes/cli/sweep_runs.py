"""Runs of a suite: expanded, estimated, made and listed."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from fedbytes.cli.analysis.target_check import check_targets
from fedbytes.cli.progress_table import bytes_text, run_label
from fedbytes.cli.run_labels import counted
from fedbytes.cli.terminal.live import live_table
from fedbytes.cli.terminal.screen import Screen, coloured, warn
from fedbytes.data import fetch
from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.experiments.config.suite_file import Suite, load_suite
from fedbytes.experiments.engines.engine import Engine
from fedbytes.experiments.engines.launcher import LAUNCHERS, Launcher, SweepRequest
from fedbytes.experiments.engines.plan_file import read_sweep_plan, write_sweep_plan
from fedbytes.experiments.engines.prepare import forget_failure
from fedbytes.experiments.engines.work_store import WorkDone, work_store
from fedbytes.experiments.execution import preflight
from fedbytes.experiments.execution.cost_estimate import estimate, sweep_seconds
from fedbytes.experiments.execution.reuse import IfStale
from fedbytes.experiments.execution.run_setup import assets_of
from fedbytes.experiments.execution.sweep_plan import Outcome, plan
from fedbytes.experiments.execution.sweeps import (
    checked_store,
    default_threads,
    default_workers,
)
from fedbytes.experiments.execution.sweeps import sweep as make_runs
from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.experiments.store.sealed_json import write_sealed
from fedbytes.experiments.store.tries import LIMIT, tries
from fedbytes.plots.output.fitted_table import FittedTable
from fedbytes.process.leases.lease_files import LEASE_SECONDS
from fedbytes.process.told_to_stop import STOPPED

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
        axes = ", ".join(suite.grid) or "the lists among its settings"
        raise ValueError(
            f"these are {len(configs)} runs; narrow them to one by giving one value for each of "
            f"{axes}, or make them all by `fedbytes sweep`"
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
    launcher: Launcher | None = None,
    lease_seconds: float = LEASE_SECONDS,
    console: Console = console,
) -> Outcome:
    """Make the runs that have not finished, with a table of their progress.

    `launcher` says where: on this machine by default.
    """
    launcher = launcher or LAUNCHERS.make("local")
    if refused := launcher.refusal():
        raise ValueError(refused)
    with checked_store(folder) as store:
        fetch_assets(configs)
        check_targets(suite.protocol, configs)
        left, queue = plan(configs, store, retry_failed=retry_failed, if_stale=if_stale)
        warn([*preflight.check(queue), *_kept_unverified(left)])
    console.print(f"{len(queue)} of {counted(len(configs), 'run')} to make in {store}")
    asked = SweepRequest(
        suite.name, configs, store, workers, threads, retry_failed, if_stale, lease_seconds
    )
    with live_table(queue, len(left.skipped), console) as table:
        outcome = launcher.make_runs(asked, table)
    _write_about(suite, configs, store)
    done = len(outcome.done) + len(outcome.skipped)
    console.print(f"{done} of {counted(len(configs), 'run')} done in {store}")
    if outcome.relabelled:
        again = counted(len(outcome.relabelled), "finished or failed run")
        console.print(f"{again} now under the label that the suite gives it")
    for run, message in outcome.failed.items():
        console.print(coloured("failed", "red", f"{run}: {message}"), soft_wrap=True)
    for run, message in outcome.left.items():
        console.print(coloured("left", "yellow", f"{run}: {message}"), soft_wrap=True)
    if outcome.stopped:
        console.print(f"stopped: {_what_goes_on(launcher)}", soft_wrap=True)
    if any(RunFolder(store, run).status == "failed" for run in outcome.failed):
        console.print("retry them with `fedbytes sweep … --retry-failed`")
    return outcome


def _what_goes_on(launcher: Launcher) -> str:
    """Return what becomes of a sweep that was told to stop."""
    if isinstance(launcher, Engine) and launcher.outlives_us:
        return "its jobs go on, and the same command watches them again"
    return "the same command goes on"


def _write_about(suite: Suite, configs: Sequence[RunConfig], store: Path) -> None:
    """Write what figures and reports need of a suite into its store."""
    about = {key: getattr(suite, key) for key in ("name", "title", "target", "baseline")}
    declared = [config.declared for config in configs if config.declared]
    about |= {"protocol": declared[0]["protocol"]} if suite.protocol else {}
    write_sealed(store / "suite.json", about)


def plan_runs(
    suite: Suite,
    configs: Sequence[RunConfig],
    folder: Path,
    *,
    estimate_costs: bool,
    threads: int | None,
    replace: bool,
    retry_failed: bool = False,
) -> None:
    """Check runs as before a sweep, write their plan, and say what is left to make."""
    with checked_store(folder) as store:
        fetch_assets(configs)
        check_targets(suite.protocol, configs)
        left, queue = plan(configs, store, retry_failed=retry_failed)
        warn([*preflight.check(queue), *_kept_unverified(left), *left.failed.values()])
    costs = None
    if estimate_costs:
        measured = estimate(configs, threads or default_threads(configs, 1))
        costs = {cost.run: cost.seconds for cost in measured}
    written = write_sweep_plan(store, suite.name, configs, costs, replace=replace)
    for config in queue if retry_failed else ():
        forget_failure(RunFolder(store, config.id))
    _write_about(suite, configs, store)
    time_left = ""
    if costs:
        time_left = f", about {_minutes(sum(costs[run] for run in written.left(store)))} minutes"
    console.print(
        f"{len(written.left(store))} of {counted(len(configs), 'run')} to make{time_left}: "
        f"`fedbytes work {store}`, on as many hosts as share this folder",
        soft_wrap=True,
    )


def work_with_table(store: Path, *, threads: int | None, **asked: Any) -> WorkDone:
    """Make runs of a store's plan, with a table of their progress; see `work_store`."""
    known = read_sweep_plan(store)
    asked["threads"] = threads or default_threads(known.runs, 1)
    if known.folder.is_dir():  # that relative paths of the runs start from
        os.chdir(known.folder)
    waiting = set(known.left(store)) & set(asked["only"] or known.left(store))
    queue = [config for config in known.order if config.id in waiting]
    fetch_assets(queue)
    with live_table(queue, len(known.runs) - len(known.left(store)), console) as table:
        found = work_store(store, known, reporter=table, **asked)
    why = "stopped" if found.stopped else "nothing is left for this worker"
    console.print(f"{why}: {counted(len(found.done), 'run')} done, {len(found.left)} left")
    for run, message in found.failed.items():
        console.print(coloured("failed", "red", f"{run}: {message}"), soft_wrap=True)
    if any(RunFolder(store, run).status == "failed" for run in found.failed):
        console.print("retry them with `fedbytes plan … --retry-failed`, then this command")
    return found


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
) -> int:
    """Make a single run in one worker; return the command's exit code.

    One that failed is made again, unless its process died three times without finishing a round.
    """
    with checked_store(folder) as store:
        fetch_assets([config])
        retry = retry_failed or tries(RunFolder(store, config.id)) < LIMIT
        left, pending = plan([config], store, retry_failed=retry, if_stale=if_stale)
        warn([*preflight.check(pending), *_kept_unverified(left)])
    with live_table(pending, len(left.skipped), console) as table:
        outcome = make_runs(
            [config],
            store,
            workers=1,
            threads=threads or default_threads([config], 1),
            retry_failed=retry,
            if_stale=if_stale,
            relabel=config.label is not None,  # a run made alone may be one of a suite's
            reporter=table,
        )
    for message in left.failed.values():
        console.print(coloured("failed", "red", f"{config.id}: {message}"), soft_wrap=True)
    console.print(f"run: {store / config.id}", soft_wrap=True)
    if outcome.stopped:
        return STOPPED
    return 1 if outcome.failed or outcome.left else 0


def fetch_assets(configs: Sequence[RunConfig], models: bool = True) -> None:
    """Fetch every asset before workers start, with one progress bar on the screen."""
    for name in sorted({name for config in configs for name in assets_of(config, models)}):
        fetch(name, progress=sys.stderr.isatty())


def show_estimate(
    suite: Suite, configs: Sequence[RunConfig], workers: int | None, threads: int | None
) -> None:
    """Print what each run would send and how long it would take; nothing is stored."""
    fetch_assets(configs)
    warn(preflight.check(configs))
    count = workers or default_workers(configs)
    costs = estimate(configs, threads or default_threads(configs, count))
    warn(list(dict.fromkeys(cost.note for cost in costs if cost.note)))
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
    nearly = sum(not cost.exact_bytes for cost in costs)
    console.print(
        "Bytes are exact, minutes and memory estimates"
        if not nearly
        else f"Bytes of {counted(nearly, 'run')} are an estimate, as are minutes and memory: their "
        "messages' lengths follow from the values (`fedbytes docs suites` says how near it comes)",
        highlight=False,
    )


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f}" if seconds < 600 else f"{seconds / 60:.0f}"
