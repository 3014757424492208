"""`fedbytes plot` and `report`, and what a sweep ends with."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedbytes.cli.options import Plugins, StoreOrRows
from fedbytes.cli.terminal.screen import Screen, say, warn
from fedbytes.process.disk_errors import explained_disk_errors

ELSEWHERE = "free some space, or write it elsewhere with fedbytes plot or report --out"
"""The remedy for a disk that takes no report or figures."""

if TYPE_CHECKING:
    from fedbytes.plots.store_figure import FigureOptions
    from fedbytes.plots.tables.store_tables import Tables

TargetOption = Annotated[
    str | None,
    typer.Option(
        help="Metric value that bytes are counted up to, or baseline-0.005; "
        "98 % of the baseline's final mean by default."
    ),
]
MetricOption = Annotated[
    str | None,
    typer.Option(help="Metric to draw, such as exact_match; the task's main metric by default."),
]
Baseline = Annotated[
    str | None,
    typer.Option(help="Codec or label to compare with; the suite's by default, or fp32."),
]

MarginDrawn = Annotated[
    float | None,
    typer.Option("--margin", help="Loss that would matter, in the metric's unit, as 0.005."),
]
Highlight = Annotated[
    list[str] | None,
    typer.Option(help="Codec or label to draw in colour; may be repeated."),
]


def plot(
    store: StoreOrRows,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder; STORE/figures by default, or where the results.csv lies.", file_okay=False
        ),
    ] = None,
    target: TargetOption = None,
    metric: MetricOption = None,
    baseline: Baseline = None,
    plugin: Plugins = None,
    margin: MarginDrawn = None,
    highlight: Highlight = None,
    width: Annotated[
        str, typer.Option(help="Of the figures: column or page of a paper, or slide.")
    ] = "page",
) -> None:
    """Draw every figure for a folder of runs as SVG, PDF and PNG, with its data as tables.

    A folder with the results.csv that this verb wrote will do as well: the figures for which it
    has what they need are drawn again.
    """
    from fedbytes.plots.output.render import draw_all
    from fedbytes.plots.tables.kept.kept_rows import write_data
    from fedbytes.plots.verdicts.read_rows import is_kept_rows

    tables, kept = tables_or_rows(store, baseline), is_kept_rows(store)
    folder = out or (store if kept else store / "figures")
    undrawn: list[str] = []
    wanted, asked = read_target(store, target), read_options(tables, margin, highlight, width)
    with explained_disk_errors(folder, ELSEWHERE):
        paths = draw_all(tables, folder, metric, wanted, baseline, undrawn=undrawn, asked=asked)
        if not kept:
            paths += write_data(tables, folder)
            paths += copy_suite(store, folder)
    say(*paths)
    warn([*undrawn, *_afterwards(tables, metric, wanted, baseline)])


def _afterwards(
    tables: "Tables", metric: str | None, target: str | float | None, baseline: str | None
) -> list[str]:
    """Return what is to be said of figures that are not as the store's protocol declares."""
    from fedbytes.plots.verdicts.question import AFTERWARDS, ask

    notes = ask(tables, metric, baseline=baseline, target=target).notes
    return [note for note in notes if AFTERWARDS in note]


def report(
    store: StoreOrRows,
    out: Annotated[
        Path | None, typer.Option(help="File; STORE/report.html by default.", dir_okay=False)
    ] = None,
    target: TargetOption = None,
    metric: MetricOption = None,
    baseline: Baseline = None,
    plugin: Plugins = None,
    margin: MarginDrawn = None,
    highlight: Highlight = None,
) -> None:
    """Write one HTML file with figures, tables and provenance; it opens offline."""
    wanted = read_target(store, target)
    path = _write_report(store, wanted, out, metric, baseline, margin, highlight)
    say(f"report: {path}")
    warn(_afterwards(tables_or_rows(store, None), metric, wanted, baseline))


def conclude(store: Path, target: str | float | None) -> None:
    """Print a sweep's summary, write its report, and print where the report is."""
    from fedbytes.plots.output.terminal import summary_tables
    from fedbytes.plots.tables.read_store import read_tables

    console = Screen()
    for table in summary_tables(read_tables(store), target):
        console.print(table)
    path = _write_report(store, target)
    say(f"report: {path.resolve()}")


def _write_report(
    store: Path,
    target: str | float | None,
    out: Path | None = None,
    metric: str | None = None,
    baseline: str | None = None,
    margin: float | None = None,
    highlight: list[str] | None = None,
) -> Path:
    from fedbytes.experiments.store.results import stored_title
    from fedbytes.plots.output.report import write_report

    path, tables = out or store / "report.html", tables_or_rows(store, baseline)
    with explained_disk_errors(path, ELSEWHERE):
        asked = read_options(tables, margin, highlight)
        title = stored_title(store)
        return write_report(tables, path, title, metric, target, baseline, asked=asked)


def read_options(
    tables: "Tables", margin: float | None, highlight: list[str] | None, width: str = "page"
) -> "FigureOptions":
    """Return what figures are drawn with beside metric, target and baseline.

    Raises:
        ValueError: for a margin that is not above 0, an unknown label or width.
    """
    from fedbytes.plots.canvas import draw_on
    from fedbytes.plots.inference.paired_tests import check_margin
    from fedbytes.plots.store_figure import FigureOptions
    from fedbytes.plots.tables.comparison import check_baseline

    if margin is not None:
        check_margin(margin)
    for label in highlight or ():
        check_baseline(tables, label)
    with draw_on(width):
        return FigureOptions(margin=margin, highlight=tuple(highlight or ()), width=width)  # type: ignore[arg-type]


def tables_of(store: Path, baseline: str | None) -> "Tables":
    """Return the store's tables; the baseline that was asked for must be among them."""
    from fedbytes.plots.tables.comparison import check_baseline
    from fedbytes.plots.tables.read_store import read_tables

    tables = read_tables(store)
    check_baseline(tables, baseline)
    return tables


def tables_or_rows(store: Path, baseline: str | None) -> "Tables":
    """Return the tables of a store, or of the rows that were kept of one."""
    from fedbytes.plots.tables.comparison import check_baseline
    from fedbytes.plots.verdicts.read_rows import read_store_or_rows

    tables = read_store_or_rows(store)
    check_baseline(tables, baseline)
    return tables


def copy_suite(store: Path, folder: Path) -> list[Path]:
    """Copy what is known of the suite beside the rows that are kept of its runs."""
    source, copy = store / "suite.json", folder / "suite.json"
    if not source.is_file() or source.resolve() == copy.resolve():
        return []
    copy.write_bytes(source.read_bytes())
    return [copy]


def read_target(store: Path, target: str | None) -> str | float | None:
    """Return the target asked for, or the one that the store's suite was swept with."""
    from fedbytes.experiments.config.target import parse_target
    from fedbytes.experiments.store.results import stored_target

    return parse_target(stored_target(store) if target is None else target)
