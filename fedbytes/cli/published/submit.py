"""`fedbytes submit` and `fedbytes verify`: published rows that others can check."""

from pathlib import Path
from typing import Annotated

import typer

from fedbytes.cli.options import Plugins, Store
from fedbytes.cli.terminal.screen import say


def submit_store(
    store: Store,
    title: Annotated[str, typer.Option(help="One line for the table of submissions.")],
    authors: Annotated[str, typer.Option(help="Names, as they are to be cited.")],
    name: Annotated[
        str | None, typer.Option(help="Name of the folder; by default the store's.")
    ] = None,
    to: Annotated[
        Path, typer.Option(help="Folder that holds the submissions.", file_okay=False)
    ] = Path("results"),
    description: Annotated[str, typer.Option(help="What the method is, in a few sentences.")] = "",
    link: Annotated[str, typer.Option(help="Address of a paper or repository.")] = "",
    with_files: Annotated[
        bool, typer.Option("--with-files", help="Also publish the data files that runs read.")
    ] = False,
    plugin: Plugins = None,
) -> None:
    """Make the folder that a pull request adds to results/: rows, provenance, code and a card."""
    from fedbytes.experiments.published.submission import Card, make_submission
    from fedbytes.experiments.published.verification import verify_submission

    card = Card(name or store.resolve().name.lower(), title, authors, description, link)
    folder = make_submission(store, to, card, with_files=with_files)
    verify_submission(folder)
    say(folder, f"Its files, ids and sums hold. Next: fedbytes verify {folder} --again")


def verify_folder(
    folder: Annotated[
        Path,
        typer.Argument(help="A submission, such as results/NAME.", exists=True, file_okay=False),
    ],
    again: Annotated[
        bool, typer.Option("--again", help="Also make one of its runs again, and compare.")
    ] = False,
    run: Annotated[
        str | None,
        typer.Option(help="Which run, with --again; by default one that nobody could choose."),
    ] = None,
) -> None:
    """Check a submission's files, ids and sums; exit code 1 if a run made again differs.

    `--again` runs the submission's code.
    """
    from fedbytes.experiments.published.verification import make_again, verify_submission

    if run and not again:
        raise ValueError(f"--run {run} goes with --again")
    found = verify_submission(folder)
    say(f"{folder}: files, ids and sums of {len(found.configs)} runs hold.")
    if not again:
        return
    compared = make_again(found, run)
    apart = ", ".join(f"{name} {gap:.3g}" for name, gap in compared.apart.items())
    why = "; ".join(filter(None, [compared.reason, apart and f"largest differences: {apart}"]))
    say(f"Run {compared.run}, made again: {compared.verdict}{f' ({why})' if why else ''}.")
    if compared.verdict not in ("equal", "within tolerance"):
        raise typer.Exit(1)
