"""The rows behind a store's figures, written so that the figures can be drawn without the store."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fedbytes.plots.tables.csv_text import csv_text
from fedbytes.plots.tables.kept.made_from import describe_origin
from fedbytes.plots.tables.store_tables import Tables

RUNS_FILE = "runs.jsonl"
BYTES_FILE = "bytes_by_kind.csv"
HOLDINGS_FILE = "holdings.csv"
PREDICTIONS_FILE = "predictions.csv"
CLIENTS_FILE = "clients.csv"
AUDITS_FILE = "audits.csv"
_OF_AUDITS = ("run", "audit", "attack", "of", "family", "canary", "label")
"""Columns of `Tables.audits` that say in words what a row is of."""
_LEFT_OUT = ("provenance", "traceback")
"""Columns of `Tables.runs` that stand elsewhere, or say more of a machine than of a run."""


def write_data(
    tables: Tables, folder: str | Path, origin: Mapping[str, Any] | None = None
) -> list[Path]:
    """Write the rows behind the figures, and their provenance.

    `read_store_or_rows` reads them back, all but what single messages say.

    Args:
        tables: the store's tables.
        folder: made if it is not there.
        origin: what the runs were made from (see `describe_origin`); by default as they say.

    Returns:
        the paths of `results.csv` (a row per run and evaluated round), `provenance.json` (what all
        runs have in common, and what differs between them) and, where the store has
        them, `runs.jsonl` (configuration, status and summary of each run), `bytes_by_kind.csv`
        (message bytes by run, direction and kind), `holdings.csv` (who holds what),
        `predictions.csv` (which test texts were answered rightly, as bits in base64),
        `clients.csv` (clients on their own tests) and `audits.csv` (the numbers that audits found,
        without texts).
    """
    target, by_kind = Path(folder), sum_by_kind(tables.ledger)
    target.mkdir(parents=True, exist_ok=True)
    texts = {
        "results.csv": csv_text(tables.results, "%.6g"),
        "provenance.json": json.dumps(origin or describe_origin(tables.runs), indent=2) + "\n",
        RUNS_FILE: _runs(tables.runs),
        BYTES_FILE: csv_text(by_kind) if len(by_kind) else "",
        HOLDINGS_FILE: csv_text(tables.partitions) if len(tables.partitions) else "",
        PREDICTIONS_FILE: _predictions(tables.predictions),
        CLIENTS_FILE: csv_text(tables.clients, "%.6g") if len(tables.clients) else "",
        AUDITS_FILE: csv_text(_measured(tables.audits), "%.6g") if len(tables.audits) else "",
    }
    paths = []
    for name, text in texts.items():
        if text:
            paths.append(target / name)
            paths[-1].write_text(text, encoding="utf-8")
    return paths


def _runs(runs: pd.DataFrame) -> str:
    """Return a JSON line for each run; what it lacks is left out."""
    if "config" not in runs:
        return ""
    lines = []
    for record in runs.drop(columns=list(_LEFT_OUT), errors="ignore").to_dict("records"):
        known = {str(key): _plain(value) for key, value in record.items()}
        line = {key: value for key, value in known.items() if value not in (None, "", {})}
        lines.append(json.dumps(line, sort_keys=True, ensure_ascii=False) + "\n")
    return "".join(lines)


def _plain(value: Any) -> Any:
    """Return a value as JSON has it; None for what is missing."""
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and value != value else value


def sum_by_kind(ledger: pd.DataFrame) -> pd.DataFrame:
    """Return payload and message bytes and messages by run, direction and kind; or no row.

    Args:
        ledger: a row per message, or such sums.
    """
    keys, sizes = ["run", "direction", "kind"], ["payload_bytes", "message_bytes"]
    if ledger.empty or not {*keys, *sizes} <= set(ledger.columns):
        return pd.DataFrame({"run": []})
    counted = ledger if "messages" in ledger else ledger.assign(messages=1)
    return counted.groupby(keys, sort=True)[[*sizes, "messages"]].sum().reset_index()


def _predictions(predictions: pd.DataFrame) -> str:
    if predictions.empty:
        return ""
    bits = [
        base64.b64encode(np.packbits(right).tobytes()).decode("ascii")
        for right in predictions["right"]
    ]
    sizes = predictions["right"].map(len)
    return csv_text(predictions[["run", "round"]].assign(texts=sizes, right=bits))


def _measured(audits: pd.DataFrame) -> pd.DataFrame:
    """Return what audits measured, and of what; texts that they rebuilt are left out."""
    audits = audits.dropna(axis="columns", how="all")
    typed = audits.convert_dtypes()  # true, false and missing are an object column as stored
    numbers = typed.select_dtypes(["number", "bool"]).columns
    return audits[[name for name in audits if name in _OF_AUDITS or name in numbers]]
