"""`fedbytes predict`: labels and probabilities, or answers, for the texts in a file."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from fedbytes.cli.models_kept.export import KeptRun, OfClient
from fedbytes.cli.options import Plugins
from fedbytes.cli.terminal.screen import say


def predict(
    run: KeptRun,
    texts: Annotated[
        Path, typer.Argument(help="CSV, TSV, JSON Lines or Parquet file of texts.", dir_okay=False)
    ],
    column: Annotated[str, typer.Option(help="Column with the texts.")] = "text",
    csv: Annotated[
        Path | None, typer.Option(help="File for the rows; printed by default.", dir_okay=False)
    ] = None,
    client: OfClient = None,
    max_new_tokens: Annotated[
        int | None, typer.Option(min=1, help="Most tokens of an answer; the run's by default.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    plugin: Plugins = None,
) -> None:
    """Write what a kept model says of each text: a label and probabilities, or an answer."""
    from fedbytes.experiments.kept.export_model import find_kept
    from fedbytes.experiments.kept.predict_texts import predict_texts
    from fedbytes.plots.tables.csv_text import csv_text

    folder = find_kept(run, client)
    rows = csv_text(predict_texts(folder, texts, column, max_new_tokens, device), "%.6f")
    if csv is None:
        sys.stdout.write(rows)
        return
    csv.parent.mkdir(parents=True, exist_ok=True)
    csv.write_text(rows, encoding="utf-8", newline="")
    say(csv)
