"""`fedbytes sweep`, `run` and `status`.

Heavy imports wait until a verb runs, so that `--help` is quick; so do those of the other verbs.
"""

from pathlib import Path
from typing import Annotated, Literal

import typer

from fedbytes.cli.completion import complete_suites
from fedbytes.cli.options import Out, Overrides, Plugins, Store, Threads

SuiteName = Annotated[
    str,
    typer.Argument(help="Name of a shipped suite, or a YAML file.", autocompletion=complete_suites),
]
Workers = Annotated[
    int | None,
    typer.Option(min=1, help="Worker processes; one per core by default, one with a GPU."),
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
    threads: Threads = None,
    plugin: Plugins = None,
    retry_failed: Annotated[bool, typer.Option(help="Retry failed runs.")] = False,
    remake: Remake = False,
    accept: Accept = False,
    dry_run: Annotated[
        bool, typer.Option(help="Estimate runs, bytes and minutes without running anything.")
    ] = False,
    report: Annotated[bool, typer.Option(help="Write the report at the end.")] = True,
) -> None:
    """Run everything in a suite that has not finished, then write the report.

    Interrupt it at any time and run the same command again: finished runs are kept, interrupted
    ones resume from their last checkpoint. A run made from files that have changed since is stale:
    it is refused until you choose --remake or --accept.
    """
    from fedbytes.cli import sweep_runs
    from fedbytes.cli.plot import conclude
    from fedbytes.experiments import load_suite

    chosen = load_suite(suite)
    configs = sweep_runs.expand(chosen, overrides or [], plugin or [])
    if dry_run:
        sweep_runs.show_estimate(chosen, configs, workers, threads)
        return
    store = out or Path("runs") / chosen.name
    outcome = sweep_runs.make_suite(
        chosen,
        configs,
        store,
        workers=workers,
        threads=threads,
        retry_failed=retry_failed,
        if_stale=_if_stale(remake, accept),
    )
    if report and (outcome.done or outcome.skipped):
        conclude(store, chosen.target)
    raise typer.Exit(1 if outcome.failed else 0)


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
    threads: Threads = None,
    plugin: Plugins = None,
    retry_failed: Annotated[
        bool, typer.Option(help="Also retry a run whose process died three times.")
    ] = False,
    remake: Remake = False,
    accept: Accept = False,
) -> None:
    """Make one run, such as `fedbytes run uplink.name=topk uplink.density=0.05 rounds=4`."""
    from fedbytes.cli import sweep_runs

    config = sweep_runs.single_run(suite, overrides or [], plugin or [])
    failed = sweep_runs.make_one(
        config,
        out or Path("runs") / config.suite,
        threads,
        retry_failed=retry_failed,
        if_stale=_if_stale(remake, accept),
    )
    raise typer.Exit(1 if failed else 0)


def status(store: Store, plugin: Plugins = None) -> None:
    """List a folder's runs with status, round and latest metric.

    Besides done, failed, interrupted and waiting, a run can be stale (made from files that have
    changed since, or at an earlier revision of a plug-in), damaged (its own files are missing, cut
    or altered), or done but unverified (what it was made from is not here, or has no digests).
    """
    from fedbytes.cli.sweep_runs import show_status

    show_status(store)


def _if_stale(remake: bool, accept: bool) -> Literal["refuse", "remake", "accept"]:
    """Return what is done with stale runs.

    Raises:
        ValueError: if both options are given.
    """
    if remake and accept:
        raise ValueError("give either --remake or --accept, not both")
    return "remake" if remake else "accept" if accept else "refuse"
