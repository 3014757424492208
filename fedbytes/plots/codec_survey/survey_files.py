"""The survey of codecs as figures and tables."""

import json
import re
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from fedbytes.plots.break_even_rate import survey_break_even
from fedbytes.plots.codec_survey.db_above_shannon import draw_db_above_shannon
from fedbytes.plots.codec_survey.mean_error import draw_mean_error
from fedbytes.plots.codec_survey.rate_distortion import draw_rate_distortion
from fedbytes.plots.style import save_figure

_COLUMNS = {
    "codec": "Codec",
    "bits_per_coordinate": "Bits",
    "nmse": "NMSE",
    "gap_db": "dB above 2^-2R",
    "encode_mb_s": "Encode, MB/s",
    "decode_mb_s": "Decode, MB/s",
    "encode_memory": "Encode, B",
    "decode_memory": "Decode, B",
    "break_even_mbit": "Pays below, Mbit/s",
}


Survey = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]
_FILES = ("rates", "means", "overheads")


def write_survey(survey: Survey, folder: Path) -> list[Path]:
    """Write the rows as CSV, the codecs' own examples as Markdown, and the figures.

    Args:
        survey: rows of `survey`, `survey_means` and `overheads` (`compression.measurement`).
        folder: made if it is not there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    rates, means, _ = survey
    for name, frame in zip(_FILES, survey, strict=True):
        path = folder / f"{name}.csv"
        frame.to_csv(path, index=False, float_format="%.6g")
        paths.append(path)
    for distribution, rows in rates[rates["example"]].groupby("distribution", sort=False):
        path = folder / f"table-{distribution}.md"
        path.write_text(_markdown(rows), encoding="utf-8")
        paths.append(path)
    path = folder / "table-means.md"
    path.write_text(_means_markdown(means), encoding="utf-8")
    paths.append(path)
    alone = rates[[_alone(spec) for spec in rates["spec"]]]
    alone = alone.assign(series=_series(alone), kind=_kind(alone))
    for kind, rows in alone.groupby("kind", sort=False):
        paths += save_figure(_figure(str(kind), rows), folder, f"rates-{str(kind).lower()}")
    return [*paths, *save_figure(draw_mean_error(means.assign(kind=_kind(means))), folder, "means")]


def read_survey(folder: Path) -> Survey:
    """Return the rows that `write_survey` wrote to a folder.

    Raises:
        ValueError: if they are not there.
    """
    paths = [folder / f"{name}.csv" for name in _FILES]
    for path in paths:
        if not path.is_file():
            raise ValueError(f"there is no {path}; measure with --bench --out {folder} first")
    rates, means, costs = map(pd.read_csv, paths)
    return rates, means, costs


def _figure(kind: str, rows: pd.DataFrame) -> Figure:
    if kind == "Sparse":  # its rates are so low that all are near the bound
        text = "All bytes counted. A line is one precision of the values, over densities."
        return draw_rate_distortion(rows, "series", text, coloured="name")
    return draw_db_above_shannon(rows, f"{kind} codecs, all bytes counted.")


def _alone(spec: str) -> bool:
    """Return whether a codec is not made of other codecs, which have lines of their own."""
    return '"name":' not in spec.replace('"name":', "", 1)


def _series(rows: pd.DataFrame) -> pd.Series:
    """Return each codec's label without its rate: density if it has one, else bits or step."""
    rate = dict.fromkeys(rows["name"], "bits|step")
    for name, spec in zip(rows["name"], rows["spec"], strict=True):
        if "density" in json.loads(spec):
            rate[name] = "density"
    found = [
        re.sub(rf" ({rate[name]})=\S+", "", label)
        for name, label in zip(rows["name"], rows["codec"], strict=True)
    ]
    return pd.Series(found, index=rows.index)


def _kind(rows: pd.DataFrame) -> pd.Series:
    """Return "Sparse", "Unbiased" or "Biased" for each row: what can be compared in one figure."""
    found = pd.Series("Biased", index=rows.index)
    found[rows["unbiased"].astype(bool)] = "Unbiased"
    found[rows["sparse"].astype(bool)] = "Sparse"
    return found


def _means_markdown(rows: pd.DataFrame) -> str:
    """Return the NMSE of the mean: one row per codec, one column per senders and correlation."""
    pairs = sorted(set(zip(rows["correlation"], rows["clients"], strict=True)))
    head = ["Codec", "Bits", *(f"{n}, {rho:g}" for rho, n in pairs)]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for codec, part in rows.groupby("codec", sort=False):
        found = part.set_index(["correlation", "clients"])["mean_nmse"]
        bits = part["bits_per_coordinate"].mean()
        cells = [str(codec), f"{bits:.3f}", *(f"{found[pair]:.2g}" for pair in pairs)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _markdown(rows: pd.DataFrame) -> str:
    lines = ["| " + " | ".join(_COLUMNS.values()) + " |", "|" + " --- |" * len(_COLUMNS)]
    for row in rows.assign(break_even_mbit=survey_break_even(rows)).to_dict("records"):
        cells = [
            row["codec"],
            f"{row['bits_per_coordinate']:.3f}",
            f"{row['nmse']:.3g}",
            f"{row['gap_db']:.2f}",
            f"{row['encode_mb_s']:.0f}",
            f"{row['decode_mb_s']:.0f}",
            f"{row['encode_memory']:.1f}",
            f"{row['decode_memory']:.1f}",
            f"{row['break_even_mbit']:,.0f}" if row["break_even_mbit"] else "never",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
