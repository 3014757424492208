"""`fedbytes plan`: what is to be made, written into the store for workers on any host."""

from pathlib import Path
from typing import Annotated

import typer

from fedbytes.cli.options import Out, Overrides, Plugins, Threads
from fedbytes.cli.sweep import SuiteName


def plan_suite(
    suite: SuiteName,
    overrides: Overrides = None,
    out: Out = None,
    threads: Threads = None,
    plugin: Plugins = None,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Measure how long runs take, to order them by that.")
    ] = False,
    retry_failed: Annotated[bool, typer.Option(help="Have failed runs made again.")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Drop runs of another plan that have not finished.")
    ] = False,
) -> None:
    """Write what a suite has to make into its store, and fetch what that needs; run nothing.

    `fedbytes work STORE` then makes the runs, on as many hosts as share the folder, longest first
    and those of one model after one another.
    """
    from fedbytes.cli import sweep_runs
    from fedbytes.experiments import load_suite

    chosen = load_suite(suite)
    configs = sweep_runs.expand(chosen, overrides or [], plugin or [])
    sweep_runs.plan_runs(
        chosen,
        configs,
        out or Path("runs") / chosen.name,
        estimate_costs=estimate,
        threads=threads,
        replace=replace,
        retry_failed=retry_failed,
    )
