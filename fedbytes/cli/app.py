"""The command line. Heavy imports wait until a command needs them, so that `--help` is quick."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from fedbytes.registry import nearest

if TYPE_CHECKING:
    from fedbytes.cli.partition_commands import Shown
    from fedbytes.plots.tables.store_tables import Tables

app = typer.Typer(
    name="fedbytes",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Federated training of language models, measured by the bytes it communicates.

    Start with [bold]fedbytes sweep quickstart[/]. A suite is a YAML file with the runs' common
    settings and a grid; every setting can be given as [bold]key=value[/], such as
    [bold]rounds=4[/], [bold]seed=[0,1][/] or [bold]uplink.density=0.05[/].""",
)

Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE]...", help="Settings that replace the suite's."),
]
SuiteName = Annotated[str, typer.Argument(help="A shipped suite's name, or a YAML file.")]
Out = Annotated[Path | None, typer.Option(help="Folder of the runs. [default: runs/SUITE]")]
Plugins = Annotated[
    list[Path] | None,
    typer.Option("--plugin", help="Python file with codecs or partitioners of yours. Repeatable."),
]
Store = Annotated[Path, typer.Argument(help="Folder with runs, as made by `fedbytes sweep`.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Worker processes. [default: one a core]")]
Threads = Annotated[
    int | None, typer.Option(min=1, help="Arithmetic threads a worker. [default: cores / workers]")
]
Target = Annotated[
    str | None,
    typer.Option(
        help="Metric value to measure bytes up to, or baseline-0.005. "
        "[default: 98 % of fp32's final mean]"
    ),
]
Metric = Annotated[
    str | None,
    typer.Option(help="Column to draw, such as exact_match. [default: the task's headline]"),
]
Baseline = Annotated[
    str | None,
    typer.Option(help="Codec or label that others are compared with. [default: the suite's, fp32]"),
]


@app.command()
def sweep(
    suite: SuiteName,
    overrides: Overrides = None,
    out: Out = None,
    workers: Workers = None,
    threads: Threads = None,
    plugin: Plugins = None,
    retry_failed: Annotated[bool, typer.Option(help="Take up runs that failed before.")] = False,
    dry_run: Annotated[
        bool, typer.Option(help="Say how many runs, bytes and minutes, and stop.")
    ] = False,
    report: Annotated[bool, typer.Option(help="Write the report at the end.")] = True,
) -> None:
    """Make every run of a suite that is not there yet, then the report.

    Safe to stop and to call again: finished runs stay, interrupted ones go on.
    """
    from fedbytes.cli import sweep_commands

    raise typer.Exit(
        sweep_commands.sweep(
            suite,
            overrides or [],
            out=out,
            workers=workers,
            threads=threads,
            plugins=plugin or [],
            retry_failed=retry_failed,
            dry_run=dry_run,
            report=_conclude if report else None,
        )
    )


@app.command()
def run(
    overrides: Overrides = None,
    suite: Annotated[
        str | None, typer.Option(help="Take the settings from this suite, narrowed to one run.")
    ] = None,
    out: Out = None,
    threads: Threads = None,
    plugin: Plugins = None,
) -> None:
    """Make one run, such as `fedbytes run uplink.name=topk uplink.density=0.05 rounds=4`."""
    from fedbytes.cli import sweep_commands

    raise typer.Exit(
        sweep_commands.run_one(
            overrides or [], suite, out=out, threads=threads, plugins=plugin or []
        )
    )


@app.command()
def status(store: Store) -> None:
    """Show the runs of a folder: done, failed, interrupted, and how far."""
    from fedbytes.cli import sweep_commands

    sweep_commands.status(store)


@app.command()
def plot(
    store: Store,
    out: Annotated[Path | None, typer.Option(help="Folder. [default: STORE/figures]")] = None,
    target: Target = None,
    metric: Metric = None,
    baseline: Baseline = None,
) -> None:
    """Draw every figure of a folder of runs as SVG, PDF and PNG, with the data beside them."""
    from fedbytes.plots.output.render import draw_all
    from fedbytes.plots.tables.read_store import write_data

    folder, tables = out or store / "figures", _tables(store, baseline)
    paths = draw_all(tables, folder, metric, _target(store, target), baseline)
    for path in [*paths, *write_data(tables, folder)]:
        Console().print(str(path), highlight=False, soft_wrap=True)


@app.command()
def report(
    store: Store,
    out: Annotated[Path | None, typer.Option(help="File. [default: STORE/report.html]")] = None,
    target: Target = None,
    metric: Metric = None,
    baseline: Baseline = None,
) -> None:
    """Write one HTML file with figures, tables and provenance; it opens offline."""
    path = _write_report(store, _target(store, target), out, metric, baseline)
    Console().print(f"report: {path}", highlight=False, soft_wrap=True)


@app.command()
def partition(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SUITE] [KEY=VALUE]...",
            help="A suite's name or file, and settings that replace its own.",
        ),
    ] = None,
    suite: Annotated[str | None, typer.Option(help="The suite, if it is not the first word.")] = (
        None
    ),
    figures: Annotated[
        Path | None, typer.Option("--figures", "--out", help="Draw into this folder.")
    ] = None,
    save: Annotated[Path | None, typer.Option(help="Keep the partition in this file.")] = None,
) -> None:
    """Show who holds what, such as `fedbytes partition quickstart partition.alpha=0.1 seed=3`."""
    from fedbytes.cli.partition_commands import show_partitions
    from fedbytes.cli.sweep_commands import console, fetch_assets

    show_partitions(
        words or [],
        suite=suite,
        save=save,
        draw=None if figures is None else lambda shown: _draw_partitions(shown, figures),
        fetch_assets=lambda configs: fetch_assets(configs, models=False),
        console=console,
    )


@app.command()
def codecs(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Only these codecs.")
    ] = None,
    numel: Annotated[int, typer.Option(min=1, help="Coordinates of the test vector.")] = 1_000_000,
    distribution: Annotated[str, typer.Option(help="`gauss`, or `t3`: Student-t, 3 degrees.")] = (
        "gauss"
    ),
    plugin: Plugins = None,
    bench: Annotated[
        bool, typer.Option(help="Sweep each codec's rates, both distributions, means and memory.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="With --bench: folder for tables and figures.")
    ] = None,
    redraw: Annotated[
        bool, typer.Option("--redraw", help="Draw what lies in --out again; measure nothing.")
    ] = False,
) -> None:
    """Measure rate, distortion and speed of every codec on synthetic vectors."""
    from fedbytes.cli import measure_codecs

    if not (bench or redraw):
        if out is not None:
            raise ValueError("--out needs --bench, or --redraw to draw what lies there again")
        measure_codecs.measure_codecs(names or [], numel, distribution, plugin or [])
        return
    from fedbytes.experiments.store.provenance import provenance
    from fedbytes.plots.codec_survey.survey_files import read_survey, write_survey

    origin = provenance()
    if redraw:
        if out is None:
            raise ValueError("--redraw needs --out, the folder with rates.csv and means.csv")
        survey = read_survey(out)
    else:
        survey = measure_codecs.survey_codecs(names or [], numel, plugin or [])
    if out is not None:
        paths = write_survey(survey, out)
        if not redraw:
            paths.append(measure_codecs.write_origin(origin, out / "survey-provenance.json"))
        for path in paths:
            Console().print(str(path), highlight=False, soft_wrap=True)


@app.command(name="list")
def list_(
    kind: Annotated[
        str | None, typer.Argument(help="codecs, partitioners, tasks, models, … [default: all]")
    ] = None,
) -> None:
    """List what can be named in a configuration, with its fields and their defaults."""
    from fedbytes.cli import list_plugins

    list_plugins.show(kind)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="Python file with a plug-in.")],
) -> None:
    """Run the contract tests over the codecs, partitioners and algorithms of a file."""
    from fedbytes.cli import check_file

    raise typer.Exit(check_file.check_file(file))


def _draw_partitions(shown: "list[Shown]", folder: Path) -> list[Path]:
    """Draw what `fedbytes partition` shows: plots take plain data."""
    from fedbytes.plots.partition_preview.split_figures import SplitView, draw_splits

    views = [
        SplitView(
            title=item.title,
            spec=item.spec,
            seed=item.seed,
            counts=item.counts,
            sizes=item.partition.sizes,
            nmi=item.measures["nmi"],
            clients=item.clients,
            distances=item.distances,
        )
        for item in shown
    ]
    return draw_splits(views, folder)


def _conclude(store: Path, target: str | float | None) -> None:
    """Print a sweep's summary, and say where its report is."""
    from fedbytes.plots.output.terminal import summary_tables
    from fedbytes.plots.tables.read_store import read_tables

    console = Console()
    for table in summary_tables(read_tables(store), target):
        console.print(table)
    path = _write_report(store, target)
    console.print(f"report: {path.resolve()}", highlight=False, soft_wrap=True)


def _write_report(
    store: Path,
    target: str | float | None,
    out: Path | None = None,
    metric: str | None = None,
    baseline: str | None = None,
) -> Path:
    from fedbytes.experiments.store.results import stored_title
    from fedbytes.plots.output.report import write_report

    path, tables = out or store / "report.html", _tables(store, baseline)
    return write_report(tables, path, stored_title(store), metric, target, baseline)


def _tables(store: Path, baseline: str | None) -> "Tables":
    """Return the store's tables, in which there is the baseline that was asked for."""
    from fedbytes.plots.tables.comparison import check_baseline
    from fedbytes.plots.tables.read_store import read_tables

    tables = read_tables(store)
    check_baseline(tables, baseline)
    return tables


def _target(store: Path, target: str | None) -> str | float | None:
    """Return the target asked for, or the one that the store's suite was swept with."""
    from fedbytes.experiments.config.target import parse_target
    from fedbytes.experiments.store.results import stored_target

    return parse_target(stored_target(store) if target is None else target)


def main() -> None:
    """Run the command line; a mistake of the user is one line on standard error and exit code 2."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        code: Any = app(standalone_mode=False)
    except typer.TyperException as error:
        _refuse(_usage_message(error))
    except (ValueError, OSError) as error:
        if os.environ.get("FEDBYTES_TRACEBACK"):
            raise
        _refuse(" ".join(str(error).split()))
    except (KeyboardInterrupt, typer.Abort):
        sys.stderr.write("stopped; the same command goes on where this one was\n")
        sys.exit(130)
    sys.exit(code if isinstance(code, int) else 0)


def _usage_message(error: typer.TyperException) -> str:
    text = " ".join(getattr(error, "format_message", lambda: str(error))().split())
    if text.startswith("No such command"):
        word = text.split("'")[1]
        known = [c.name or c.callback.__name__ for c in app.registered_commands if c.callback]
        return f"there is no command {word!r}{nearest(word, known)}"
    return text


def _refuse(message: str) -> None:
    sys.stderr.write(f"error: {message}\n")
    sys.exit(2)
