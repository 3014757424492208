"""`fedbytes track`: a store's curves for a tracker."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from fedbytes.cli.options import Store

Tracker = Annotated[
    str | None,
    typer.Option("--track", help="Show the curves in this tracker as runs advance."),
]


@contextmanager
def shown_in(tracker: str | None, store: Path) -> Iterator[None]:
    """Have a tracker show a store while runs are made in it within the block, if one is named."""
    if tracker is None:
        yield
        return
    from fedbytes.cli.terminal.screen import warn
    from fedbytes.experiments.trackers.live_tracking import tracking

    with tracking(store, tracker, lambda line: warn([line])):
        yield


def track(
    store: Store,
    to: Annotated[str, typer.Option("--to", help="tensorboard, trackio, wandb or mlflow.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for its files; STORE-TRACKER by default.", file_okay=False),
    ] = None,
) -> None:
    """Write every run's metrics by round and by bytes for a tracker; nothing leaves this machine.

    Do it again at any time: what was written of a run before is replaced.
    """
    from fedbytes.cli.run_labels import counted
    from fedbytes.cli.terminal.screen import say
    from fedbytes.experiments.trackers.track_store import default_folder, track_store

    runs = track_store(store, to, out)
    say(f"{counted(len(runs), 'run')} in {out or default_folder(store, to)}")
