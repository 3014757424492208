"""Writes the generated parts of the pages of results: tables, verdicts and the age of the rows.

    python scripts/result_blocks.py          # writes them anew
    python scripts/result_blocks.py --check  # says which are not as they would be written

A block stands between `<!-- results:begin NAME KIND -->` and `<!-- results:end -->`; NAME is the
folder under docs/results, KIND one of `KINDS`, or `table-` and the name of a table that the
folder's `asked.json` asks for (see `result_tables`).
"""

import json
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from result_tables import write_table

from fedbytes.experiments.config.target import parse_target
from fedbytes.experiments.store.results import stored_target
from fedbytes.plots import (
    FigureOptions,
    Tables,
    ask,
    measure_verdicts,
    read_store_or_rows,
    summary,
    to_markdown,
    verdict_text,
)
from fedbytes.plots.break_even_rate import survey_break_even
from fedbytes.plots.drawing.heterogeneity_slopes import fit_slopes, measure_points
from fedbytes.plots.link_time.link import MEGA, make_links, wire_bits
from fedbytes.plots.link_time.link_table import show_seconds
from fedbytes.plots.output.summary import as_markdown
from fedbytes.plots.tables.comparison import compare_codecs
from fedbytes.plots.tables.kept.made_from import split_parts
from fedbytes.plots.verdicts.verdict_text import explain_verdicts

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"
_BLOCK = re.compile(
    r"(<!-- results:begin ([\w/-]+) ([\w-]+) -->\n)(.*?)(<!-- results:end -->)", re.S
)


def pages() -> list[Path]:
    """Return the pages that may hold blocks."""
    return [
        ROOT / "README.md",
        ROOT / "docs" / "choose-a-codec.md",
        *sorted(RESULTS.rglob("README.md")),
    ]


def blocks_of(text: str) -> list[tuple[str, str]]:
    """Return folder and kind of each block of a page."""
    return [(found[2], found[3]) for found in _BLOCK.finditer(text)]


def with_blocks(text: str) -> str:
    """Return a page with its blocks as they would be written today.

    Raises:
        ValueError: for a kind or folder that there is not.
    """
    return _BLOCK.sub(lambda found: found[1] + _write(found[2], found[3]) + found[5], text)


def _write(name: str, kind: str) -> str:
    folder = RESULTS / name
    tables = read_asked(folder).get("tables", {})
    if kind.removeprefix("table-") in tables and kind.startswith("table-"):
        return write_table(folder, tables[kind.removeprefix("table-")])
    if kind not in KINDS or not folder.is_dir():
        raise ValueError(f"there is no block {kind!r} of docs/results/{name} ({', '.join(KINDS)})")
    return KINDS[kind](folder)


def folders_of_rows() -> dict[str, Path]:
    """Return the folders that have rows, by name below docs/results: `robust/pilot` say."""
    folders = sorted(rows.parent for rows in RESULTS.rglob("results.csv"))
    return {folder.relative_to(RESULTS).as_posix(): folder for folder in folders}


def read_asked(folder: Path) -> dict[str, Any]:
    """Return what a page asks of its rows beside what their suite declares, from `asked.json`.

    Its keys are `metric`, `final`, `target`, `figures`, the names of those that it shows, and
    `tables` (see `result_tables`).
    """
    path = folder / "asked.json"
    found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return dict(found)


def read_rows(folder: Path) -> tuple[Tables, FigureOptions]:
    """Return the rows of a page, and what it asks of them."""
    given = read_asked(folder)
    target = parse_target(given.get("target", stored_target(folder)))
    tables = replace(read_store_or_rows(folder), final=given.get("final"))
    return tables, FigureOptions(given.get("metric"), target)


def _summary(folder: Path) -> str:
    """Return the summary as `fedbytes plot` writes it from the rows."""
    tables, asked = read_rows(folder)
    return to_markdown(summary(tables, asked.metric, asked.target))


def _verdicts(folder: Path) -> str:
    """Return what the rows show of each method, as `fedbytes verdicts` prints it."""
    tables, given = read_rows(folder)
    asked = ask(tables, given.metric, target=given.target)
    frame = measure_verdicts(tables, metric=given.metric, target=given.target)
    notes = [*explain_verdicts(frame), *asked.notes]
    return as_markdown(verdict_text(frame)) + "\n" + "\n".join(notes) + "\n"


def _slopes(folder: Path) -> str:
    """Return the slopes over measured heterogeneity, with intervals over settings."""
    tables, given = read_rows(folder)
    comparison = compare_codecs(tables, given.metric)
    scale = comparison.metric.scale
    frame = fit_slopes(measure_points(tables, comparison, given.target), scale)
    lines = ["| For each 0.1 of NMI | Codec | Slope | 95 % interval | Runs | Settings |\n"]
    lines += ["| --- " * 6 + "|\n"]
    for row in frame.to_dict("records"):
        low, high = (f"{row[end]:+.2f}".replace("-", "−") for end in ("low", "high"))
        slope = f"{row['slope']:+.2f}".replace("-", "−")
        cells = [row["quantity"], row["codec"], slope, f"{low} to {high}"]
        cells += [str(row["n"]), str(row["settings"])]
        lines.append("| " + " | ".join(map(str, cells)) + " |\n")
    return "".join(lines)


def _age(folder: Path) -> str:
    """Return when the rows were made, and from which commit."""
    origin: dict[str, Any] = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    words = f"{', and '.join(_made(part) for part in split_parts(origin))}."
    inputs = {"spending": "bytes_by_kind.csv", "partition": "holdings.csv"}
    kept = [
        f"`{name}`" for name, file in inputs.items()
        if (folder / f"{name}.svg").is_file() and not (folder / file).is_file()
    ]  # fmt: skip
    if kept and (folder / "verdict.svg").is_file():
        words += (
            f" All figures are redrawn from their rows but {' and '.join(kept)}, of those days: "
            "what these are drawn from was not kept."
        )
    return f"*{words}*\n"


def _made(part: dict[str, Any]) -> str:
    """Return how many runs were made, or what was measured, when and from which commit."""
    days = sorted({moment[:10] for moment in _listed(part["started"])})
    commits = sorted({commit[:7] for commit in _listed(part["commit"])})
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    count = len(part.get("runs", ()))
    what = f"{count} run{'s' * (count > 1)} of" if count else "Measured on"
    return f"{what} {when}, commit {', '.join(commits)}"


def _costs(folder: Path) -> str:
    """Return size, error and hours on a link of common codecs, from a survey's rows."""
    rates = pd.read_csv(folder / "rates.csv").query("distribution == 'gauss'").set_index("codec")
    rows = rates.loc[list(_COMMON)].assign(pays=lambda found: survey_break_even(found))
    links = make_links("adsl,4g,fibre")
    heads = ["Codec", "Bits a number", "MB up", "NMSE", "Pays below, Mbit/s"]
    lines = [[*heads, *(one.name for one in links)], ["---"] * (len(heads) + len(links))]
    for codec, row in rows.iterrows():
        size = _NUMBERS * row["bits_per_coordinate"] / 8
        work = 2 * 4e-6 * _NUMBERS * (1 / row["encode_mb_s"] + 1 / row["decode_mb_s"])
        rounds = [
            _ROUNDS * (work + one.rtt / 1000 + wire_bits(size) / MEGA * (1 / one.up + 1 / one.down))
            for one in links
        ]
        pays = f"{row['pays']:,.0f}" if row["pays"] else "never"
        cells = [
            codec,
            f"{row['bits_per_coordinate']:.2f}",
            f"{size / 1e6:.3g}",
            f"{row['nmse']:.2g}",
            pays,
        ]
        lines.append([*cells, *map(show_seconds, rounds)])
    return "".join("| " + " | ".join(map(str, cells)) + " |\n" for cells in lines)


_COMMON = (
    "fp32", "bf16", "int", "nf4", "thc", "eden", "sign", "ecsq bits=1", "ecsq bits=0.5",
    "tcq bits=0.5", "topk density=0.05 bits=4", "chunked_topk density=0.015625", "stc density=0.01",
)  # fmt: skip
"""Codecs of the page that helps to choose."""
_NUMBERS, _ROUNDS = 1_000_000, 100


def _listed(value: Any) -> list[str]:
    return [str(one) for one in (value if isinstance(value, list) else [value])]


KINDS: dict[str, Callable[[Path], str]] = {
    "summary": _summary,
    "verdicts": _verdicts,
    "age": _age,
    "slopes": _slopes,
    "costs": _costs,
}


def main(check: bool) -> int:
    """Write the blocks of all pages, or say which are old."""
    old = []
    for page in pages():
        text = page.read_text(encoding="utf-8")
        wanted = with_blocks(text)
        if wanted != text:
            old.append(page)
            if not check:
                page.write_text(wanted, encoding="utf-8")
    for page in old:
        print(f"{'old' if check else 'written'}: {page.relative_to(ROOT)}")
    return len(old) if check else 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
