"""`fedbytes codecs`: rate, distortion and speed of codecs on synthetic vectors."""

from pathlib import Path
from typing import Annotated

import typer

from fedbytes.cli.completion import complete_codecs
from fedbytes.cli.options import Plugins
from fedbytes.cli.terminal.screen import say


def codecs(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME", help="Only these codecs.", autocompletion=complete_codecs),
    ] = None,
    numel: Annotated[int, typer.Option(min=1, help="Length of the test vector.")] = 1_000_000,
    distribution: Annotated[
        str, typer.Option(help="`gauss`, or `t3`: Student-t with 3 degrees of freedom.")
    ] = "gauss",
    plugin: Plugins = None,
    bench: Annotated[
        bool, typer.Option(help="Measure all rates, both distributions, means and memory.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="With --bench: folder for tables and figures.", file_okay=False),
    ] = None,
    redraw: Annotated[
        bool,
        typer.Option("--redraw", help="Redraw figures from the tables in --out without measuring."),
    ] = False,
    compile_only: Annotated[
        bool,
        typer.Option("--compile", help="Only compile their loops, which later processes load."),
    ] = False,
) -> None:
    """Measure rate, distortion and speed of every codec on synthetic vectors."""
    if out is None and redraw:
        raise ValueError("--redraw needs --out, the folder with rates.csv and means.csv")
    if out is not None and not (bench or redraw):
        raise ValueError("--out needs --bench, or --redraw to draw from the tables in it")
    from fedbytes.cli import codec_tables

    if compile_only:
        say(codec_tables.compile_codecs(names or []))
    elif redraw and out is not None:
        say(*codec_tables.redraw_survey(out))
    elif bench:
        say(*codec_tables.run_survey(names or [], numel, out))
    else:
        codec_tables.measure_codecs(names or [], numel, distribution)
