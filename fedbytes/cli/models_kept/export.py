"""`fedbytes export`: a run's model as a folder that peft or transformers load."""

from pathlib import Path
from typing import Annotated

import typer

from fedbytes.cli.options import Plugins
from fedbytes.cli.terminal.screen import say

KeptRun = Annotated[
    Path,
    typer.Argument(
        metavar="RUN", help="A run's folder, or one that was exported.", file_okay=False
    ),
]
OfClient = Annotated[
    str | None,
    typer.Option("--client", help="Whose model, where each client has one to itself."),
]


def export(
    run: KeptRun,
    to: Annotated[str, typer.Option(help="An empty or new folder, or hub:OWNER/NAME.")],
    client: OfClient = None,
    plugin: Plugins = None,
) -> None:
    """Copy the model that a run kept to a folder, or upload it to the hub.

    Such as `fedbytes export runs/run/0123456789abcdef --to my-model`, of a run that was made with
    `keep=adapter` or `keep=merged`. Its README.md says how it is loaded.
    """
    from fedbytes.experiments.kept.export_model import export_model

    say(export_model(run, to, client))
