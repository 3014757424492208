"""`fedbytes work`: make runs of a store's plan, beside whoever else does."""

from pathlib import Path
from typing import Annotated

import typer

from fedbytes.cli.engines.worker_options import LeaseSeconds
from fedbytes.cli.options import Plugins
from fedbytes.process.told_to_stop import STOPPED


def work_on(
    store: Annotated[
        Path, typer.Argument(help="Folder with a plan of `fedbytes plan`.", file_okay=False)
    ],
    only: Annotated[
        list[str] | None, typer.Option(help="Id of a run to make; all by default. Repeatable.")
    ] = None,
    limit: Annotated[
        str | None,
        typer.Option("--for", help="Time such as 55m, after which the round in hand is the last."),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads of each process; all cores by default.")
    ] = None,
    lease_seconds: LeaseSeconds = 300.0,
    wait: Annotated[
        bool, typer.Option("--wait", help="Stay while others work, to take over from lost ones.")
    ] = False,
    parent: Annotated[
        int | None, typer.Option(hidden=True, help="Process to stop with; for engines.")
    ] = None,
    plugin: Plugins = None,
) -> None:
    """Make runs of a plan until none is left that no other worker makes.

    Call it on as many hosts as share the folder: each run has one worker at a time. On SIGTERM or
    SIGUSR1 the round in hand is finished and saved, and the exit code is 75; so it is when the time
    is up and runs are left. The same command goes on.
    """
    from fedbytes.cli.engines.durations import parse_duration
    from fedbytes.cli.sweep_runs import work_with_table

    seconds = None if limit is None else parse_duration(limit)
    found = work_with_table(
        store.resolve(),
        only=only or [],
        seconds=seconds,
        threads=threads,
        lease_seconds=lease_seconds,
        wait=wait,
        parent=parent,
    )
    if found.stopped and found.left:
        raise typer.Exit(STOPPED)
    raise typer.Exit(1 if found.failed else 0)
