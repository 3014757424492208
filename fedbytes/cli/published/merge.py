"""`fedbytes merge`: rows of a suite that was run in parts."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedbytes.cli.terminal.screen import say, warn
from fedbytes.process.disk_errors import explained_disk_errors

if TYPE_CHECKING:
    from fedbytes.plots.tables.kept.merge_rows import RowsPart
    from fedbytes.plots.tables.store_tables import Tables


def merge_folders(
    folders: Annotated[
        list[Path],
        typer.Argument(
            help="Stores, or folders with the results.csv of `fedbytes plot`.", file_okay=False
        ),
    ],
    out: Annotated[
        Path, typer.Option(help="Folder for the rows; it may be one of those.", file_okay=False)
    ],
) -> None:
    """Put the rows of a suite that was run in parts into one folder, to be plotted together.

    It writes what `fedbytes plot` writes beside its figures. Its provenance says which runs came
    from which commit and machine. Parts of other suites or protocols are refused, and so is a run
    with other rows in two of them.
    """
    from fedbytes.plots.tables.kept.kept_rows import write_data
    from fedbytes.plots.tables.kept.merge_rows import merge_parts
    from fedbytes.plots.verdicts.read_rows import is_kept_rows

    if len({folder.resolve() for folder in folders}) < max(2, len(folders)):
        raise ValueError(f"give two folders or more, each once; got {_listed(folders)}")
    if any(out.rglob("config.yaml")):
        raise ValueError(f"{out} is a store: give --out another folder")
    others = [folder.resolve() for folder in folders]
    if is_kept_rows(out) and out.resolve() not in others:
        raise ValueError(f"{out} holds rows that are not among those: name it too, or another")
    parts = [_read_part(folder) for folder in folders]
    tables, origin, taken = merge_parts(parts)
    with explained_disk_errors(out, "free some space, or give --out another folder"):
        paths = write_data(tables, out, origin)
        paths += _write_suite(folders, out)
    say(*paths)
    counts = ", ".join(f"{len(runs)} of {name}" for name, runs in taken.items())
    say(f"{len(tables.runs)} runs: {counts}. Next: fedbytes plot {out}")
    warn(_unfinished(tables))


def _listed(folders: list[Path]) -> str:
    return ", ".join(map(str, folders))


def _read_part(folder: Path) -> "RowsPart":
    from fedbytes.plots.tables.kept.made_from import describe_origin
    from fedbytes.plots.tables.kept.merge_rows import RowsPart
    from fedbytes.plots.verdicts.read_rows import is_kept_rows, read_origin, read_store_or_rows

    tables, kept = read_store_or_rows(folder), is_kept_rows(folder)
    path = folder / "suite.json"
    suite = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    origin = read_origin(folder) if kept else describe_origin(tables.runs)
    return RowsPart(str(folder), tables, origin, suite, exact=not kept)


def _write_suite(folders: list[Path], out: Path) -> list[Path]:
    """Write the first part's suite.json, if any has one."""
    found = [path for folder in folders if (path := folder / "suite.json").is_file()]
    copy = out / "suite.json"
    if not found or found[0].resolve() == copy.resolve():
        return []
    copy.write_bytes(found[0].read_bytes())
    return [copy]


def _unfinished(tables: "Tables") -> list[str]:
    counts = tables.runs["status"].value_counts().drop("done", errors="ignore")
    return [f"{count} runs are {status}, not done" for status, count in counts.items()]
