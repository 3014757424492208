"""The tables of docs/results/robust: final accuracy under attack, and differences paired by seed.

    python benchmarks/robust_results.py FOLDER …  [--out DIR]

FOLDER is a store of one of the suites `robust`, `robust-codecs` and `robust-assumed`, or a folder
with its `results.csv`. Writes a Markdown table for each into DIR (docs/results/robust). Intervals
are Student's of 95 %, over seeds; differences are in points, paired by seed.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from fedbytes.plots import Interval, t_interval

KEYS = ["alpha", "codec", "defense", "attack"]
CLEAN = {"defense": "none", "attack": "none"}
OF_CELLS = ["α", "codec", "rule", "attack", "accuracy", "less clean mean", "less fp32's cell"]
OF_PAIRS = ["rule and uplink", "attack", "accuracy", "against", "less that", "less no attack"]
PAIRS = {  # of the suite robust-codecs: what is compared with what, under each attack
    "geometric median, qsgd": "geometric median, fp32",
    "geometric median, qsgd + EF21": "geometric median, qsgd",
    "multi-Krum, top-5 % + EF": "multi-Krum, fp32",
    "multi-Krum, top-5 % + EF21": "multi-Krum, top-5 % + EF",
    "majority vote, signsgd": "no rule, fp32",
}


def finals(folder: Path) -> pd.DataFrame:
    """Return the last evaluated round of each run, its accuracy in per cent."""
    if (folder / "results.csv").exists():
        rows = pd.read_csv(folder / "results.csv", keep_default_na=False, na_values=[""])
    else:
        from fedbytes.plots import read_tables

        rows = read_tables(folder).finished()
    rows = rows.sort_values("round").groupby("run", sort=False).tail(1)
    return rows.assign(value=100 * rows["accuracy"], defense=rows["defense"].fillna("none"))


def seeds_of(rows: pd.DataFrame, **where: object) -> dict[int, float]:
    """Return the values of the runs whose columns are as named, by seed."""
    for column, value in where.items():
        rows = rows[rows[column] == value]
    return {int(s): float(v) for s, v in zip(rows["seed"], rows["value"], strict=True)}


def difference(one: dict[int, float], other: dict[int, float]) -> Interval:
    """Return the mean of one less the other, paired by seed."""
    return t_interval(one[seed] - other[seed] for seed in one if seed in other)


def said(found: Interval, sign: bool = False) -> str:
    """Return a mean with its interval and n."""
    if not found.n:
        return "–"
    words = f"{found.mean:+.1f}" if sign else f"{found.mean:.1f}"
    words += f" ± {found.half:.1f}" if found.n > 1 else ""
    return words.replace("-", "−") + f" (n = {found.n})"


def cells(rows: pd.DataFrame) -> Iterator[list[str]]:
    """Yield a table's rows: the cell, its value, less the clean mean, and less fp32's cell."""
    for (alpha, codec, rule, attack), part in rows.groupby(KEYS):
        own = seeds_of(part)
        clean = seeds_of(rows, alpha=alpha, codec="fp32", **CLEAN)
        exact = seeds_of(rows, alpha=alpha, codec="fp32", defense=rule, attack=attack)
        yield [
            f"{alpha:g}", str(codec), str(rule), str(attack), said(t_interval(own.values())),
            said(difference(own, clean), True),
            "" if codec == "fp32" else said(difference(own, exact), True),
        ]  # fmt: skip


def pairs(rows: pd.DataFrame) -> Iterator[list[str]]:
    """Yield the comparisons of `PAIRS`, and each with itself without an attack."""
    for label, other in PAIRS.items():
        for attack in sorted(set(rows["attack"]), key=lambda name: (name != "none", name)):
            own = seeds_of(rows, codec=label, attack=attack)
            against = seeds_of(rows, codec=other, attack=attack)
            calm = seeds_of(rows, codec=label, attack="none")
            yield [
                label, str(attack), said(t_interval(own.values())), other,
                said(difference(own, against), True), said(difference(own, calm), True),
            ]  # fmt: skip


def table(head: list[str], rows: Iterator[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def main() -> None:
    """Write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs/results/robust"))
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    for folder in asked.folders:
        rows = finals(folder)
        suite = str(rows["suite"].iloc[0])
        if suite == "robust-codecs":
            head = [
                "rule and uplink",
                "attack",
                "accuracy",
                "against",
                "less that",
                "less no attack",
            ]
            text = table(head, pairs(rows))
        else:
            head = [
                "α",
                "codec",
                "rule",
                "attack",
                "accuracy",
                "less clean mean",
                "less fp32's cell",
            ]
            text = table(head, cells(rows))
        (asked.out / f"{suite}.md").write_text(text, encoding="utf-8")
        print(f"{suite}\n{text}")


if __name__ == "__main__":
    main()
