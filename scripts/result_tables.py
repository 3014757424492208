"""Tables of result pages that are no summary: which columns of which rows, from `asked.json`.

A page's `asked.json` names them under `tables`, and a block `table-NAME` is one of them:

    "tables": {"finals": {
        "rows": {"method": "codec"},
        "columns": {
            "accuracy (%)": {"of": "accuracy", "times": 100, "digits": 1},
            "to fp32": {"of": "accuracy", "times": 100, "digits": 1, "less": "plain, fp32"},
            "of fp32": {"of": "total_bytes", "digits": 2, "over": "plain, fp32"}}}}

`file` is `results.csv` by default, of which the last evaluated round of each run counts; `where`
keeps the rows with these values, also of one column; `rows` are the heads and columns that name a
row, and `order` lists what the first of them has, if not in the order of the file. A cell has every
seed's value below five of them, one where all are alike, and from five on the mean and its 95 %
interval. `less` and `over` name the row that is taken off or divided by, seed by seed.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from fedbytes.plots import t_interval
from fedbytes.plots.inference.seeds_needed import FEWEST_SEEDS

_KEYS = {"file", "where", "rows", "columns", "order"}
_OF_COLUMN = {"of", "times", "digits", "less", "over", "where"}


def write_table(folder: Path, asked: Mapping[str, Any]) -> str:
    """Return one table of a page's `asked.json` as Markdown.

    Raises:
        ValueError: for an unknown key, column or row.
    """
    _refuse_unknown(asked, _KEYS)
    rows = _read(folder / asked.get("file", "results.csv"))
    rows = _where(rows, asked)
    names: Mapping[str, str] = asked["rows"]
    wanted = [*names.values(), *(column["of"] for column in asked["columns"].values())]
    if missing := [name for name in wanted if name not in rows]:
        raise ValueError(f"{folder.name} has no column {', '.join(missing)}")
    rows = rows.fillna(dict.fromkeys(names.values(), "none"))
    groups = {
        tuple(map(str, key)): part
        for key, part in rows.groupby([*names.values()], sort=False, dropna=False)
    }
    if order := asked.get("order"):
        if unknown := sorted({key[0] for key in groups} - set(order)):
            raise ValueError(f"{folder.name}: the order of rows lacks {', '.join(unknown)}")
        groups = dict(sorted(groups.items(), key=lambda item: order.index(item[0][0])))
    heads = [*names, *asked["columns"]]
    lines = ["| " + " | ".join(heads) + " |", "| " + " | ".join(["---"] * len(heads)) + " |"]
    for key, part in groups.items():
        cells = [_cell(part, column, groups) for column in asked["columns"].values()]
        lines.append(
            "| " + " | ".join([*(word.replace("_", r"\_") for word in key), *cells]) + " |"
        )
    return "\n".join(lines) + "\n"


def _read(path: Path) -> pd.DataFrame:
    rows = pd.read_csv(path, dtype={"run": str}, na_values=[""], keep_default_na=False)
    if "run" in rows and "round" in rows:
        rows = rows.sort_values("round", kind="stable").groupby("run", sort=False).tail(1)
        rows = rows.loc[sorted(rows.index)]
    return rows


def _where(rows: pd.DataFrame, asked: Mapping[str, Any]) -> pd.DataFrame:
    for column, value in asked.get("where", {}).items():
        rows = rows[rows[column] == value]
    return rows


def _cell(
    part: pd.DataFrame, column: Mapping[str, Any], groups: Mapping[tuple[str, ...], pd.DataFrame]
) -> str:
    _refuse_unknown(column, _OF_COLUMN)
    values, digits = _by_seed(part, column), int(column["digits"])
    against = column.get("less") or column.get("over")
    if against is not None:
        (base,) = (rows for key, rows in groups.items() if against in (key[0], ", ".join(key)))
        if base is part:
            return "–" if "less" in column else _number(1.0, digits)
        others = _by_seed(base, column)
        values = {
            seed: value - others[seed] if "less" in column else value / others[seed]
            for seed, value in values.items()
            if seed in others
        }
    return _words([*values.values()], digits, "less" in column)


def _by_seed(part: pd.DataFrame, column: Mapping[str, Any]) -> dict[int, float]:
    """Return a column's values by seed; by their order where rows have none."""
    part = _where(part, column)
    seeds = part["seed"] if "seed" in part else range(len(part))
    scaled = part[column["of"]] * float(column.get("times", 1))
    pairs = [(int(s), float(v)) for s, v in zip(seeds, scaled, strict=True) if v == v]
    if len({seed for seed, _ in pairs}) < len(pairs):  # several of a seed, such as messages
        pairs = [(place, value) for place, (_, value) in enumerate(pairs)]
    return dict(sorted(pairs))


def _words(values: Sequence[float], digits: int, signed: bool) -> str:
    shown = [_number(value, digits, signed) for value in values]
    if not shown:
        return "–"
    if len(set(shown)) == 1:
        return shown[0]
    if len(values) < FEWEST_SEEDS:
        return ", ".join(shown)
    found = t_interval(values)
    return f"{_number(found.mean, digits, signed)} ± {_number(found.half, digits)}"


def _number(value: float, digits: int, signed: bool = False) -> str:
    return f"{value:{'+' if signed else ''},.{digits}f}".replace("-", "−")


def _refuse_unknown(found: Mapping[str, Any], known: set[str]) -> None:
    if unknown := sorted(set(found) - known):
        raise ValueError(
            f"asked.json: unknown {', '.join(unknown)} (known: {', '.join(sorted(known))})"
        )
