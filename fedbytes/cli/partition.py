"""`fedbytes partition`: who holds what under the partitions of a suite, before any training."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedbytes.cli.options import Plugins
from fedbytes.cli.terminal.screen import Screen, say

if TYPE_CHECKING:
    from fedbytes.cli.partition_tables import PartitionView


def partition(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SUITE] [KEY=VALUE]...",
            help="A suite's name or file, and settings that replace its own.",
        ),
    ] = None,
    suite: Annotated[
        str | None, typer.Option(help="The suite, if it is not the first word.")
    ] = None,
    figures: Annotated[
        Path | None,
        typer.Option("--figures", "--out", help="Draw figures into this folder.", file_okay=False),
    ] = None,
    save: Annotated[
        Path | None, typer.Option(help="Save the partition to this file.", dir_okay=False)
    ] = None,
    plugin: Plugins = None,
) -> None:
    """Show who holds what, such as `fedbytes partition quickstart partition.alpha=0.1 seed=3`.

    One partition is printed whole; several are summarised in one line per configuration.
    """
    from fedbytes.cli import partition_tables as tables
    from fedbytes.cli.sweep_runs import fetch_assets

    console = Screen()
    configs = tables.configurations(words or [], suite, plugin or [])
    if save is not None and len(configs) > 1:
        raise ValueError(
            f"--save takes one partition, and these are {len(configs)}; narrow them to one"
        )
    fetch_assets(configs, models=False)
    views = tables.compute_partitions(configs, console)
    tables.show(views, console)
    if save is not None:
        views[0].partition.save(save)
        say(f"saved: {save}")
    if figures is not None:
        say(*_draw(views, figures))


def _draw(views: "list[PartitionView]", folder: Path) -> list[Path]:
    """Draw partitions; plots take plain data."""
    from fedbytes.plots.partition_preview.split_figures import SplitView, draw_splits

    plain = [
        SplitView(
            title=view.title,
            spec=view.spec,
            seed=view.seed,
            counts=view.counts,
            sizes=view.partition.sizes,
            nmi=view.measures["nmi"],
            clients=view.clients,
            distances=view.distances,
        )
        for view in views
    ]
    return draw_splits(plain, folder)
