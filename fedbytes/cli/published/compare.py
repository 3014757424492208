"""`fedbytes compare`: two stores, run by run."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from fedbytes.cli.analysis.printed_rows import CsvOption, write_rows
from fedbytes.cli.terminal.screen import Screen
from fedbytes.labels import single_line
from fedbytes.plots.output.fitted_table import FittedTable

if TYPE_CHECKING:
    from fedbytes.experiments.published.comparison import Compared, StoreComparison

_STYLES = {"equal": "green", "within tolerance": "yellow", "differs": "red"}
_SHOWN = 3  # metrics of a run
Folder = Annotated[
    Path, typer.Argument(help="A store, or a folder with its results.csv.", file_okay=False)
]


def compare_folders(
    first: Folder,
    second: Folder,
    share: Annotated[
        float | None,
        typer.Option(
            help="Share of test texts, of each class or client that a metric is a mean over, and "
            "at least one; 0.005, over fp32 links 0.002."
        ),
    ] = None,
    relative: Annotated[
        float | None,
        typer.Option(help="Relative tolerance of losses; 0.02, over fp32 links 0.002."),
    ] = None,
    csv: CsvOption = None,
) -> None:
    """Say which runs of two stores are equal to the bit, within tolerance, or different.

    Runs are joined by their ids; seconds are left out. The same machine and packages give equal
    numbers. Exit code 1 if a run differs.
    """
    from fedbytes.experiments.published.comparison import compare_stores
    from fedbytes.experiments.published.tolerance import Tolerance

    if share is None and relative is None:
        tolerance = None
    else:
        given = {"share": share, "relative": relative}
        tolerance = Tolerance(**{k: v for k, v in given.items() if v is not None})
    found = compare_stores(first, second, tolerance)
    console = Screen()
    console.print(_runs(found))
    for line in compare_notes(found):
        console.print(Text(line))
    write_rows(found.table(), csv)
    if found.count("differs"):
        raise typer.Exit(1)


def _runs(found: "StoreComparison") -> FittedTable:
    heads = ("Run", "Method", "Seed", "Verdict", "Largest differences")
    table = FittedTable(*heads, left=[head for head in heads if head != "Seed"])
    for run in found.runs:
        table.add_row(
            run.run,
            single_line(run.label),
            "–" if run.seed is None else str(run.seed),
            Text(run.verdict, style=_STYLES.get(run.verdict, "")),
            run.reason if run.verdict == "no rows" else _apart(run),
        )
    return table


def _apart(run: "Compared") -> str:
    """Return the differences of a run, those of metrics before those of bytes and updates."""
    order = sorted(run.apart, key=lambda name: (name.startswith("delta_"), "bytes" in name, name))
    shown = ", ".join(f"{name} {run.apart[name]:.3g}" for name in order[:_SHOWN])
    more = len(order) - _SHOWN
    return "; ".join(filter(None, [run.reason, shown + (f" and {more} more" if more > 0 else "")]))


def compare_notes(found: "StoreComparison") -> list[str]:
    """Return the lines below the table: counts, what provenance differs in, and what explains."""
    verdicts = ("equal", "within tolerance", "differs", "only first", "only second", "no rows")
    counted = ", ".join(f"{found.count(v)} {v}" for v in verdicts if found.count(v))  # type: ignore[arg-type]
    lines = [f"{len(found.runs)} runs: {counted}."]
    lines += [
        f"{what}: {first} and {second} ({runs} runs)" for what, first, second, runs in found.origins
    ]
    unequal = found.count("within tolerance") + found.count("differs")
    if unequal and found.explained:
        lines.append(
            "They were made on different machines, with other packages or another number of "
            "threads: what is within tolerance is expected there (fedbytes docs published-rows)."
        )
    elif unequal and found.origins:
        lines.append("What they were made from differs, as said above.")
    elif unequal and not found.told:
        lines.append(
            "One of the two tells no provenance of single runs: another processor, number of "
            "threads or packages may be why."
        )
    elif unequal:
        lines.append("No provenance explains a difference: equal numbers were expected.")
    return lines
