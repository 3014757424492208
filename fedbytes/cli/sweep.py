"""`fedbytes sweep`, `run` and `status`.

Heavy imports wait until a verb runs, so that `--help` is quick; so do those of the other verbs.
"""

from pathlib import Path
from typing import Annotated, Literal

import typer

from fedbytes.cli.completion import complete_suites
from fedbytes.cli.engines.worker_options import LeaseSeconds
from fedbytes.cli.options import (
    Out,
    Overrides,
    Plugins,
    Store,
    Threads,
    WorkersPerRun,
    with_workers,
)
from fedbytes.cli.trackers.track import Tracker, shown_in
from fedbytes.process.told_to_stop import STOPPED

SuiteName = Annotated[
    str,
    typer.Argument(help="Name of a shipped suite, or a YAML file.", autocompletion=complete_suites),
]
Workers = Annotated[
    int | None,
    typer.Option(min=1, help="Runs at once; as many as cores by default, one with a GPU."),
]
Remake = Annotated[
    bool, typer.Option("--remake", help="Make stale and damaged runs anew; their rows are lost.")
]
Accept = Annotated[
    bool,
    typer.Option("--accept", help="Keep the numbers of stale runs; their provenance says so."),
]


def sweep(
    suite: SuiteName,
    overrides: Overrides = None,
    out: Out = None,
    workers: Workers = None,
    workers_per_run: WorkersPerRun = None,
    threads: Threads = None,
    plugin: Plugins = None,
    retry_failed: Annotated[bool, typer.Option(help="Retry failed runs.")] = False,
    remake: Remake = False,
    accept: Accept = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            help="Say how many runs there are, their bytes (exact where messages have one length, "
            "and it says where not), minutes and memory (estimates); run nothing."
        ),
    ] = False,
    report: Annotated[bool, typer.Option(help="Write the report at the end.")] = True,
    on: Annotated[
        str, typer.Option(help="Who makes the runs: local, slurm, submitit, ray or dask.")
    ] = "local",
    engine: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE", help="Setting of that engine, such as partition=low. Repeatable."
        ),
    ] = None,
    lease_seconds: LeaseSeconds = 300.0,
    track: Tracker = None,
) -> None:
    """Run everything in a suite that has not finished, then write the report.

    Interrupt it at any time and run the same command again: finished runs are kept, interrupted
    ones resume from their last checkpoint. A run made from files that have changed since is stale:
    it is refused until you choose --remake or --accept. On SIGTERM or SIGUSR1 rounds in hand are
    finished and saved, and the exit code is 75.

    With --on, workers of an engine make the runs on hosts that share the folder, and this command
    watches it: told to stop it ends with 75 too, and jobs of a scheduler go on. `fedbytes list
    launchers` has the engines and their settings.
    """
    from fedbytes.cli import sweep_runs
    from fedbytes.cli.engines.engine_settings import make_launcher
    from fedbytes.cli.plot import conclude
    from fedbytes.experiments import load_suite

    chosen, launcher = load_suite(suite), make_launcher(on, engine or [])
    settings = with_workers(overrides, workers_per_run)
    configs = sweep_runs.expand(chosen, settings, plugin or [])
    if dry_run:
        sweep_runs.show_estimate(chosen, configs, workers, threads)
        return
    store = out or Path("runs") / chosen.name
    with shown_in(track, store):
        outcome = sweep_runs.make_suite(
            chosen,
            configs,
            store,
            workers=workers,
            threads=threads,
            retry_failed=retry_failed,
            if_stale=_if_stale(remake, accept),
            launcher=launcher,
            lease_seconds=lease_seconds,
        )
    if outcome.stopped:
        raise typer.Exit(STOPPED)
    if report and (outcome.done or outcome.skipped):
        conclude(store, None if chosen.protocol else chosen.target)
    raise typer.Exit(1 if outcome.failed or outcome.left else 0)


def run(
    overrides: Overrides = None,
    suite: Annotated[
        str | None,
        typer.Option(
            help="Start from this suite's settings, narrowed to one run.",
            autocompletion=complete_suites,
        ),
    ] = None,
    out: Out = None,
    workers_per_run: WorkersPerRun = None,
    threads: Threads = None,
    plugin: Plugins = None,
    retry_failed: Annotated[
        bool, typer.Option(help="Also retry a run whose process died three times.")
    ] = False,
    remake: Remake = False,
    accept: Accept = False,
    track: Tracker = None,
) -> None:
    """Make one run, such as `fedbytes run uplink.name=topk uplink.density=0.05 rounds=4`.

    On SIGTERM or SIGUSR1 its round is finished and saved, and the exit code is 75.
    """
    from fedbytes.cli import sweep_runs

    settings = with_workers(overrides, workers_per_run)
    config = sweep_runs.single_run(suite, settings, plugin or [])
    store = out or Path("runs") / config.suite
    with shown_in(track, store):
        code = sweep_runs.make_one(
            config,
            store,
            threads,
            retry_failed=retry_failed,
            if_stale=_if_stale(remake, accept),
        )
    raise typer.Exit(code)


def status(
    store: Store,
    plugin: Plugins = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Draw the table anew until every run has ended.")
    ] = False,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two drawings.")] = 5.0,
) -> None:
    """List a folder's runs with status, round, time left and latest metric.

    Runs are done, failed, interrupted, waiting, or running on the host that is named. A run can
    also be stale (its worker has not been heard for as long as it promised, or it was made from
    files that have changed since, or at an earlier revision of a plug-in), damaged (its own files
    are missing, cut or altered), or done but unverified (what it was made from is not here, or has
    no digests).
    """
    from fedbytes.cli.engines.status_table import show_status

    show_status(store, watch, every)


def _if_stale(remake: bool, accept: bool) -> Literal["refuse", "remake", "accept"]:
    """Return what is done with stale runs.

    Raises:
        ValueError: if both options are given.
    """
    if remake and accept:
        raise ValueError("give either --remake or --accept, not both")
    return "remake" if remake else "accept" if accept else "refuse"
