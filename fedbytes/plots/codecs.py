"""The survey of codecs as figures and tables."""

from pathlib import Path

import pandas as pd

from fedbytes.plots.rates import draw_means, draw_rates
from fedbytes.plots.style import save

_COLUMNS = {
    "codec": "Codec",
    "bits_per_coordinate": "Bits",
    "nmse": "NMSE",
    "gap_db": "dB above 2^-2R",
    "encode_mb_s": "Encode, MB/s",
    "decode_mb_s": "Decode, MB/s",
    "encode_memory": "Encode, B",
    "decode_memory": "Decode, B",
}
_MOST_LINES = 11  # a panel's markers and colours repeat beyond


def write_survey(rates: pd.DataFrame, means: pd.DataFrame, folder: Path) -> list[Path]:
    """Write the rows as CSV, the codecs' own examples as Markdown, and the figures.

    Args:
        rates: rows of `fedbytes.compression.survey.survey`.
        means: rows of `survey_means`.
        folder: made if it is not there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, frame in (("rates", rates), ("means", means)):
        path = folder / f"{name}.csv"
        frame.to_csv(path, index=False, float_format="%.6g")
        paths.append(path)
    for distribution, rows in rates[rates["example"]].groupby("distribution", sort=False):
        path = folder / f"table-{distribution}.md"
        path.write_text(_markdown(rows), encoding="utf-8")
        paths.append(path)
    for family, rows in rates.groupby(_family(rates), sort=False):
        for part, names in enumerate(_lines(list(dict.fromkeys(rows["name"])))):
            figure = draw_rates(rows[rows["name"].isin(names)], note_text=f"{family} codecs")
            suffix = f"-{part + 1}" if part else ""
            paths += save(figure, folder, f"rates-{str(family).lower()}{suffix}")
    for family, rows in means.groupby(_family(means), sort=False):
        names = list(dict.fromkeys(rows["codec"]))
        for part, chosen in enumerate(_lines(names)):
            suffix = f"-{part + 1}" if part else ""
            paths += save(draw_means(rows, chosen), folder, f"means-{str(family).lower()}{suffix}")
    return paths


def _family(rows: pd.DataFrame) -> pd.Series:
    """Return "Unbiased", "Sparse" or "Biased" for each row: what can be compared in one figure."""
    found = pd.Series("Biased", index=rows.index)
    if "sparse" in rows:
        found[rows["sparse"].astype(bool)] = "Sparse"
    found[rows["unbiased"].astype(bool)] = "Unbiased"
    return found


def _lines(names: list[str]) -> list[list[str]]:
    return [names[start : start + _MOST_LINES] for start in range(0, len(names), _MOST_LINES)]


def _markdown(rows: pd.DataFrame) -> str:
    lines = ["| " + " | ".join(_COLUMNS.values()) + " |", "|" + " --- |" * len(_COLUMNS)]
    for row in rows.to_dict("records"):
        cells = [
            row["codec"],
            f"{row['bits_per_coordinate']:.3f}",
            f"{row['nmse']:.3g}",
            f"{row['gap_db']:.2f}",
            f"{row['encode_mb_s']:.0f}",
            f"{row['decode_mb_s']:.0f}",
            f"{row['encode_memory']:.1f}",
            f"{row['decode_memory']:.1f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
