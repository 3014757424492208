"""`fedbytes.sweep` and `fedbytes.run`: runs made from Python, with their progress shown."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedbytes.notebooks.chosen_runs import Source, choose_run, choose_runs

if TYPE_CHECKING:
    from fedbytes.experiments.execution.reuse import IfStale
    from fedbytes.experiments.store.run_folder import RunFolder
    from fedbytes.federated import Hooks


def sweep(
    suite: Source,
    settings: Mapping[str, Any] | None = None,
    *,
    store: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    threads: int | None = None,
    retry_failed: bool = False,
    if_stale: "IfStale" = "refuse",
    progress: bool = True,
    **fields: Any,
) -> Path:
    """Make every run of a suite that has not finished, and return the folder of runs.

    Such as `fedbytes.sweep("quickstart", {"partition.alpha": [0.1]}, rounds=2)`. An interrupted
    call goes on where it stopped. Runs are made by worker processes, which know plug-ins from
    files alone (`plugins=["my_codec.py"]`): what a notebook's cell defines, `run` can use.

    Args:
        suite: a shipped suite's name, a file's path, a file's content as a dict, a dict of settings
            over the defaults, of which lists are axes, or a `Suite`.
        settings: settings by dotted key that replace the suite's; a list is an axis of the grid.
        store: the folder; `runs/NAME` by default.
        workers: processes; one per core by default, one with a GPU.
        threads: of each worker; cores / workers by default.
        retry_failed: also make runs again that failed.
        if_stale: `refuse` runs whose files have changed since, `remake` them, or `accept` them.
        progress: show it, as bars on a terminal and in a notebook.
        **fields: settings whose key has no dot, such as `rounds=2`.

    Raises:
        ValueError: for a mistake in suite or settings, and if no run could be made.
    """
    from fedbytes.cli.sweep_runs import make_suite
    from fedbytes.cli.terminal.screen import Screen

    chosen, configs = choose_runs(suite, settings, fields)
    folder = Path("runs") / chosen.name if store is None else Path(store)
    outcome = make_suite(
        chosen,
        configs,
        folder,
        workers=workers,
        threads=threads,
        retry_failed=retry_failed,
        if_stale=if_stale,
        console=Screen(quiet=not progress),
    )
    if len(outcome.failed) == len(configs):
        raise ValueError(f"no run could be made: {next(iter(outcome.failed.values()))}")
    return folder


def run(
    config: Source = None,
    settings: Mapping[str, Any] | None = None,
    *,
    store: str | os.PathLike[str] | None = None,
    hooks: "Hooks | None" = None,
    retry_failed: bool = False,
    if_stale: "IfStale" = "refuse",
    progress: bool = True,
    **fields: Any,
) -> "RunFolder":
    """Make one run in this process, or resume it, and return its folder.

    Such as `fedbytes.run({"codec": {"name": "topk", "density": 0.05}}, rounds=4)`. Plug-ins that
    are defined here can be named.

    Args:
        config: as for `sweep`, narrowed to one run, or a configuration from `make_config`.
        settings: settings by dotted key.
        store: the folder of runs; `runs/SUITE` by default, with `run` for no suite.
        hooks: code at the round's two hook points.
        retry_failed: also make a run that died three times without finishing a round.
        if_stale: as for `sweep`.
        progress: as for `sweep`.
        **fields: settings whose key has no dot.

    Raises:
        ValueError: for a mistake in the settings, or anything that makes the run impossible.
    """
    from fedbytes.cli.sweep_runs import fetch_assets
    from fedbytes.cli.terminal.live import live_table
    from fedbytes.cli.terminal.screen import Screen, warn
    from fedbytes.experiments.execution import preflight, runner
    from fedbytes.experiments.execution.events import Event, Finished
    from fedbytes.experiments.execution.sweeps import checked_store

    chosen = choose_run(config, settings, fields)
    with checked_store(Path("runs") / chosen.suite if store is None else Path(store)) as folder:
        fetch_assets([chosen])
        warn(preflight.check([chosen]))
    with live_table([chosen], 0, Screen(quiet=not progress)) as table:
        table.started(chosen)

        def tell(event: Event) -> None:
            table.on_event(chosen, event)

        made = runner.run(
            chosen,
            folder,
            hooks=hooks,
            on_event=tell,
            if_stale=if_stale,
            retry_failed=retry_failed,
        )
        tell(Finished())
    return made
