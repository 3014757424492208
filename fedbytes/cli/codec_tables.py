"""Measurements of codecs as tables on the screen and files."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from time import perf_counter
from typing import TypeAlias

import pandas as pd
import torch
from rich.progress import track

from fedbytes.cli.terminal.screen import Screen
from fedbytes.compression.codec import CODECS, make_codec
from fedbytes.compression.measurement.codec_measures import (
    compile_loops,
    default_variants,
    measure,
)
from fedbytes.compression.measurement.codec_survey import (
    CLIENTS,
    CORRELATIONS,
    survey,
    survey_means,
    survey_points,
)
from fedbytes.compression.measurement.overheads import overheads
from fedbytes.compression.numerics.kernels import compiled_at_once
from fedbytes.experiments.store.provenance import provenance
from fedbytes.labels import short_label, single_line
from fedbytes.plots.break_even_rate import survey_break_even
from fedbytes.plots.codec_survey.survey_files import read_survey, write_survey
from fedbytes.plots.output.fitted_table import FittedTable

_console = Screen()

MeasuredCodecs: TypeAlias = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]
"""Rates, means of several vectors, and rates of entropy coders above their bounds."""
_RATE_COLUMNS = ("bit", "NMSE", "dB", "enc GB/s", "dec GB/s", "enc B", "dec B", "pays below")


def measure_codecs(names: Sequence[str], numel: int, distribution: str) -> None:
    """Print rate, distortion and speed of codecs on a synthetic vector."""
    _prepare(names)
    title = (
        f"{numel:,} coordinates, {distribution}, one thread; dB above the Gaussian limit 2^-2R; "
        "NMSE of the mean of 8 vectors with correlation 0.5"
    )
    table = _table(title, ("bit", "NMSE", "dB", "of mean", "enc MB/s", "dec MB/s"))
    specs = [spec for spec in default_variants() if not names or spec["name"] in names]
    for spec in track(specs, "measuring", console=_console, transient=True):
        codec = make_codec(spec)
        with compiled_at_once():
            row = measure(codec, numel=numel, distribution=distribution)
        table.add_row(
            single_line(short_label(codec)),
            f"{row['bits_per_coordinate']:.3f}",
            f"{row['nmse']:.2g}",
            f"{row['gap_db']:.2f}",
            f"{row['mean_nmse']:.2g}",
            f"{row['encode_mb_s']:.0f}",
            f"{row['decode_mb_s']:.0f}",
        )
    _console.print(table)


def compile_codecs(names: Sequence[str]) -> str:
    """Compile the loops of codecs, and return what was done."""
    _prepare(names)
    start = perf_counter()
    count = compile_loops(names)
    return f"compiled {count} configurations of codecs in {perf_counter() - start:.0f} s"


def run_survey(names: Sequence[str], numel: int, out: Path | None) -> list[Path]:
    """Measure codecs at all their rates, and write tables, figures and provenance to `out`.

    Returns:
        the files; none without `out`.
    """
    origin = provenance()
    survey = survey_codecs(names, numel)
    if out is None:
        return []
    paths, path = write_survey(survey, out), out / "survey-provenance.json"
    path.write_text(json.dumps(origin, indent=1) + "\n", encoding="utf-8")
    return [*paths, path]


def redraw_survey(folder: Path) -> list[Path]:
    """Draw the figures of a survey from its tables, and return the files.

    Raises:
        ValueError: if the folder has no such tables.
    """
    return write_survey(read_survey(folder), folder)


def survey_codecs(names: Sequence[str], numel: int) -> MeasuredCodecs:
    """Measure codecs at all their rates, print the tables, and return the rows behind them."""
    _prepare(names)
    chosen = survey_points(names)
    steps = track(survey(chosen, numel), "rates", len(chosen), console=_console, transient=True)
    rates = pd.DataFrame(steps)
    count = sum(p.example and p.distribution == "gauss" for p in chosen)
    total = count * len(CLIENTS) * len(CORRELATIONS)
    steps = track(survey_means(names), "means", total, console=_console, transient=True)
    means = pd.DataFrame(steps)
    for distribution, rows in rates.groupby("distribution", sort=False):
        _console.print(_rate_table(str(distribution), numel, rows))
    _console.print(_mean_table(means))
    costs = pd.DataFrame(overheads())
    _console.print(_overhead_table(costs))
    return rates, means, costs


def _rate_table(distribution: str, numel: int, rows: pd.DataFrame) -> FittedTable:
    title = (
        f"{numel:,} coordinates, {distribution}, one thread; all bytes counted; dB above 2^-2R; "
        "scratch memory in bytes per coordinate; in Mbit/s, the rate of a link below which it is "
        "faster than fp32"
    )
    table = _table(title, _RATE_COLUMNS)
    for row in rows.assign(break_even_mbit=survey_break_even(rows)).to_dict("records"):
        table.add_row(
            single_line(row["codec"]),
            f"{row['bits_per_coordinate']:.3f}",
            f"{row['nmse']:.3g}",
            f"{row['gap_db']:.2f}",
            f"{row['encode_mb_s'] / 1000:.2f}",
            f"{row['decode_mb_s'] / 1000:.2f}",
            f"{row['encode_memory']:.1f}",
            f"{row['decode_memory']:.1f}",
            f"{row['break_even_mbit']:,.0f}" if row["break_even_mbit"] else "never",
        )
    return table


def _mean_table(rows: pd.DataFrame) -> FittedTable:
    pairs = [(clients, rho) for rho in CORRELATIONS for clients in CLIENTS]
    table = _table(
        "NMSE of the mean of n vectors of correlation ρ", [f"{n}, {r:g}" for n, r in pairs]
    )
    for codec, part in rows.groupby("codec", sort=False):
        found = part.set_index(["clients", "correlation"])["mean_nmse"]
        table.add_row(single_line(codec), *(f"{found[pair]:.2g}" for pair in pairs))
    return table


def _overhead_table(rows: pd.DataFrame) -> FittedTable:
    table = _table("rate of the entropy coders above their bounds", ("setting", "above", "unit"))
    for row in rows.to_dict("records"):
        table.add_row(row["measure"], row["setting"], f"{row['above']:.3g}", row["unit"])
    return table


def _prepare(names: Sequence[str]) -> None:
    for name in names:
        CODECS.get(name)
    torch.set_num_threads(1)


def _table(title: str, columns: Iterable[str]) -> FittedTable:
    return FittedTable("codec", *columns, title=title, left=("codec",))
