"""Options of the verbs that print a table for each setting, and the printing."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from fedbytes.cli.terminal.screen import Screen, say
from fedbytes.plots.output.fitted_table import FittedTable

if TYPE_CHECKING:
    import pandas as pd

MarginOption = Annotated[
    float | None,
    typer.Option(
        help="Loss that would matter, in the metric's unit; 0.005 (half a point) of accuracy and "
        "the like, 0.01 nats of loss, 1 % of perplexity by default."
    ),
]
MetricCompared = Annotated[
    str | None,
    typer.Option("--metric", help="Metric to compare; the task's main metric by default."),
]
FinalOption = Annotated[
    str | None,
    typer.Option(
        help="Final value: last, or last3 for the mean of three evaluations; last3 by default."
    ),
]
CsvOption = Annotated[
    Path | None, typer.Option(help="Write the rows to this file as well.", dir_okay=False)
]


def print_rows(shown: "pd.DataFrame", notes: list[str], left: tuple[str, ...]) -> None:
    """Print the first note, a table for each setting with its target, and the other notes."""
    console = Screen()
    console.print(Text(notes[0]))
    for setting, rows in shown.groupby("Setting", sort=False):
        goal = f": target {rows['Target'].iloc[0]}" if "Target" in rows else ""
        title = Text(f"{setting}{goal}", style="bold")
        columns = [name for name in rows.columns if name not in ("Setting", "Target")]
        table = FittedTable(*columns, title=title, left=left)
        for row in rows[columns].itertuples(index=False):
            table.add_row(*(Text(str(cell)) for cell in row))
        console.print()
        console.print(table)
    console.print()
    for note in notes[1:]:
        console.print(Text(note))


def write_rows(frame: "pd.DataFrame", path: Path | None) -> None:
    """Write the rows behind a printed table as CSV, where a file is asked for."""
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(path, index=False, lineterminator="\n")
    say(path)
