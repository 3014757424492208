"""How often verdicts and intervals err, over simulated studies with a known truth.

    python benchmarks/verdicts.py [--draws 2000] [--out docs/results/verdicts] [PART ...]

Prints each row as it is found, and writes `rates.csv`, `table.md` and `provenance.json` to the
folder, where parts that are not run again keep their rows. Parts: families, shapes, pooling,
censoring, powers, crossed, texts, slopes; a few processor minutes in all, on one core.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import pandas as pd
import verdict_simulations as simulations

from fedbytes.experiments.store.provenance import provenance

PARTS = {
    "families": (simulations.families, 1.0),
    "shapes": (simulations.shapes, 1.0),
    "pooling": (simulations.pooling, 1.0),
    "censoring": (simulations.censoring, 0.5),
    "powers": (simulations.powers, 2.0),
    "crossed": (simulations.crossed, 1.0),
    "texts": (simulations.texts, 0.15),
    "slopes": (simulations.slopes, 1.0),
}
"""Each part, and its share of the draws."""
EXTRA = ("bias", "survivors_bias", "estimated")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; all by default")
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    unknown = [name for name in given.parts if name not in PARTS]
    if unknown:
        parser.error(f"there is no part {unknown[0]!r} (known: {', '.join(PARTS)})")
    origin = {"draws": given.draws} | provenance()
    for name in given.parts or PARTS:
        simulate, share = PARTS[name]
        rows = []
        for row in simulate(max(20, int(given.draws * share))):
            rows.append({"part": name} | row)
            print(
                f"{row['question']:48}{row['case']:56}{row['n']:4}  {row['rate']:.3f} "
                f"± {row['error']:.3f} (nominal {row['nominal']:.3f})",
                flush=True,
            )
        if given.out is not None:
            write(pd.DataFrame(rows), origin, given.out)


def write(found: pd.DataFrame, origin: dict[str, Any], folder: Path) -> None:
    """Write the rows of the parts that were run among those that stand in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    rates, origins = folder / "rates.csv", folder / "provenance.json"
    kept, known = [found], {}
    if rates.exists():
        old = pd.read_csv(rates)
        kept.insert(0, old[~old["part"].isin(found["part"])])
        known = json.loads(origins.read_text(encoding="utf-8"))
    frame = pd.concat(kept).sort_values(
        "part", kind="stable", key=lambda part: part.map(list(PARTS).index)
    )
    frame.to_csv(rates, index=False, float_format="%.6g", lineterminator="\n")
    (folder / "table.md").write_text(markdown(frame), encoding="utf-8")
    known |= dict.fromkeys(found["part"].unique(), origin)
    origins.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


def markdown(frame: pd.DataFrame) -> str:
    """Return the rates as a table for each question, cases down and n across, in percent."""
    lines: list[str] = []
    for question, rows in frame.groupby("question", sort=False):
        lines += [f"\n**{question}** (nominal {_nominal(rows['nominal'])})\n"]
        found = rows.pivot(index="case", columns="n", values=["rate", *_extras(rows)])
        found = found.reindex(rows["case"].unique())
        if found["rate"].notna().sum(axis=1).max() == 1:  # each case has an n of its own
            found = rows.set_index("case")[["n", "rate"]]
            names = ["n", "rate"]
        else:
            names = [f"{_word(name)}n = {n}" for name, n in found.columns]
        lines += ["| case | " + " | ".join(names) + " |", "| --- |" + " ---: |" * len(names)]
        for case, row in found.iterrows():
            cells = [_cell(key, value) for key, value in row.items()]
            lines.append(f"| {case} | " + " | ".join(cells) + " |")
    return "\n".join(lines).strip() + "\n"


def _extras(rows: pd.DataFrame) -> list[str]:
    return [name for name in EXTRA if name in rows and rows[name].notna().all()]


def _word(name: str) -> str:
    return "" if name == "rate" else f"{name.replace('_', ' ')}, "


def _cell(key: object, value: float) -> str:
    name = str(key[0] if isinstance(key, tuple) else key)
    if pd.isna(value):
        return "–"
    if name == "n":
        return f"{value:.0f}"
    return f"{value * 100:{'+' if 'bias' in name else ''}.1f} %".replace("-", "−")


def _nominal(values: pd.Series) -> str:
    low, high = values.min() * 100, values.max() * 100
    return f"{low:.3g} %" if high - low < 0.05 else f"{low:.0f} to {high:.0f} %"


if __name__ == "__main__":
    main()
