"""Arguments and options that several verbs share."""

from pathlib import Path
from typing import Annotated

import typer

from fedbytes.cli.completion import complete_settings


def _load(files: list[Path] | None) -> list[Path]:
    """Import the plug-in files before the verb starts, so that it knows their names."""
    if not files:
        return []
    from fedbytes.experiments.config.plugin_files import load_plugins

    load_plugins(map(str, files))
    return list(files)


Plugins = Annotated[
    list[Path] | None,
    typer.Option(
        "--plugin",
        callback=_load,
        help="Python file with plug-ins of your own, of any kind. Repeatable.",
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="KEY=VALUE",
        help="Settings that replace the suite's.",
        autocompletion=complete_settings,
    ),
]
Store = Annotated[
    Path, typer.Argument(help="Folder of runs, written by `fedbytes sweep`.", file_okay=False)
]
StoreOrRows = Annotated[
    Path,
    typer.Argument(
        help="Folder of runs, or one with the results.csv of `fedbytes plot`.", file_okay=False
    ),
]
Out = Annotated[
    Path | None, typer.Option(help="Folder for the runs; runs/SUITE by default.", file_okay=False)
]
Threads = Annotated[
    int | None, typer.Option(min=1, help="Threads per process; cores / processes by default.")
]
WorkersPerRun = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Processes that each run's clients train in; as workers_per_run=N. The same bits.",
    ),
]


def with_workers(overrides: list[str] | None, workers_per_run: int | None) -> list[str]:
    """Return the settings of the command line, with that of an option."""
    more = [] if workers_per_run is None else [f"workers_per_run={workers_per_run}"]
    return [*(overrides or []), *more]
