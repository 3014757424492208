"""Tables of result pages that are no summary: which columns of which rows, from `asked.json`.

A page's `asked.json` names them under `tables`, and a block `table-NAME` is one of them:

    "tables": {"finals": {
        "rows": {"method": "codec"},
        "columns": {
            "accuracy (%)": {"of": "accuracy", "times": 100, "digits": 1},
            "to fp32": {"of": "accuracy", "times": 100, "digits": 1, "less": "plain, fp32"},
            "of fp32": {"of": "total_bytes", "digits": 2, "over": "plain, fp32"}}}}

`file` is `results.csv` by default, of which the last evaluated round of each run counts, or for a
column that of its `round`; what `runs.jsonl` says of a whole run is a column too. `where` keeps the
rows with these values, also of one column; `rows` are the heads and columns that name a row, and
`order` lists what the first of them has, and what others have, if not in the order of the file. A
cell has every seed's value below five of them, one where all are alike, and from five on the mean
and its 95 % interval; with `mean` their mean alone. `digits` are those after the point,
`significant` all of them. `less` and `over` name the row that is taken off or divided by, seed by
seed; `beside` is a second column of the same rows, shown in brackets.

`missing` are words for a run that ended before it had a value, such as "over 14": from five seeds
on a cell then has the median, with such runs the longest, and how many runs had a value. Rows named
in `without` have no such value at all.
"""

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from fedbytes.plots import t_interval
from fedbytes.plots.inference.seeds_needed import FEWEST_SEEDS

_KEYS = {"file", "where", "rows", "columns", "order"}
_OF_COLUMN = {
    "of", "times", "digits", "significant", "mean", "less", "over", "where", "round", "beside",
    "missing", "without",
}  # fmt: skip


def write_table(folder: Path, asked: Mapping[str, Any]) -> str:
    """Return one table of a page's `asked.json` as Markdown.

    Raises:
        ValueError: for an unknown key, column or row.
    """
    _refuse_unknown(asked, _KEYS)
    names: Mapping[str, str] = asked["rows"]
    columns = [*asked["columns"].values()]
    columns += [column["beside"] for column in columns if "beside" in column]
    wanted = [*names.values(), *(column["of"] for column in columns)]
    known = [*wanted, *asked.get("where", ())]
    rows = _read(folder / asked.get("file", "results.csv"), known)
    rows = _where(rows, asked)
    if missing := [name for name in wanted if name not in rows]:
        raise ValueError(f"{folder.name} has no column {', '.join(missing)}")
    rows = rows.fillna(dict.fromkeys(names.values(), "none"))
    groups = {
        tuple(map(_named, key)): part
        for key, part in rows.groupby([*names.values()], sort=False, dropna=False)
    }
    if order := asked.get("order"):
        if unknown := sorted({key[0] for key in groups} - set(order)):
            raise ValueError(f"{folder.name}: the order of rows lacks {', '.join(unknown)}")
        places = {word: place for place, word in enumerate(order)}
        keys = sorted(groups, key=lambda key: [places.get(word, len(places)) for word in key])
        groups = {key: groups[key] for key in keys}
    heads = [*names, *asked["columns"]]
    lines = ["| " + " | ".join(heads) + " |", "| " + " | ".join(["---"] * len(heads)) + " |"]
    for key in groups:
        cells = [_cell(key, column, groups) for column in asked["columns"].values()]
        lines.append(
            "| " + " | ".join([*(word.replace("_", r"\_") for word in key), *cells]) + " |"
        )
    return "\n".join(lines) + "\n"


def _read(path: Path, wanted: Sequence[str]) -> pd.DataFrame:
    """Return the rows of a file, with what is wanted of `runs.jsonl` and they have not."""
    rows = pd.read_csv(path, dtype={"run": str}, na_values=[""], keep_default_na=False)
    runs = path.with_name("runs.jsonl")
    lacking = [name for name in (*wanted, "seed") if name not in rows]
    if lacking and "run" in rows and runs.is_file():
        known = [json.loads(line) for line in runs.read_text(encoding="utf-8").splitlines()]
        for name in lacking:
            told = {run["run"]: run[name] for run in known if name in run}
            if told and (name != "seed" or set(rows["run"]) <= set(told)):
                rows[name] = rows["run"].map(told)
    return rows


def _named(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _where(rows: pd.DataFrame, asked: Mapping[str, Any]) -> pd.DataFrame:
    for column, value in asked.get("where", {}).items():
        if column not in rows:
            raise ValueError(f"there is no column {column}, of which `where` asks")
        rows = rows[rows[column] == value]
    return rows


def _cell(
    key: tuple[str, ...],
    column: Mapping[str, Any],
    groups: Mapping[tuple[str, ...], pd.DataFrame],
) -> str:
    _refuse_unknown(column, _OF_COLUMN)
    if key[0] in column.get("without", ()):
        return "–"
    values = _by_seed(groups[key], column)
    against = column.get("less") or column.get("over")
    if against is not None:
        (base,) = (other for other in groups if against in (other[0], ", ".join(other)))
        if base == key:
            return "–" if "less" in column else _number(1.0, column)
        others = _by_seed(groups[base], column)
        values = {
            seed: value - others[seed] if "less" in column else value / others[seed]
            for seed, value in values.items()
            if seed in others
        }
    words = _words([*values.values()], column)
    if (beside := column.get("beside")) and words != "–":
        where = {**column.get("where", {}), **beside.get("where", {})}
        words += f" ({_cell(key, {**beside, 'where': where}, groups)})"
    return words


def _by_seed(part: pd.DataFrame, column: Mapping[str, Any]) -> dict[int, float]:
    """Return a column's values by seed; by their order where rows have none."""
    part = _of_round(_where(part, column), column.get("round"))
    seeds = part["seed"] if "seed" in part else range(len(part))
    scaled = part[column["of"]].astype(float) * float(column.get("times", 1))
    if "missing" in column:
        scaled = scaled.fillna(math.inf)
    pairs = [(int(s), float(v)) for s, v in zip(seeds, scaled, strict=True) if v == v]
    if len({seed for seed, _ in pairs}) < len(pairs):  # several of a seed, such as messages
        pairs = [(place, value) for place, (_, value) in enumerate(pairs)]
    return dict(sorted(pairs))


def _of_round(rows: pd.DataFrame, wanted: int | None) -> pd.DataFrame:
    """Return each run's row of a round, or its last one."""
    if "run" not in rows or "round" not in rows:
        return rows
    last = rows.groupby("run")["round"].transform("max")
    rows = rows[rows["round"] == (last if wanted is None else wanted)]
    if rows["run"].duplicated().any():
        raise ValueError("a run has several rows of one round: say by `where` which is meant")
    return rows


def _words(values: Sequence[float], column: Mapping[str, Any]) -> str:
    if column.get("mean") and values:
        return _number(math.fsum(values) / len(values), column)
    shown = [_number(value, column) for value in values]
    if not shown:
        return "–"
    if len(set(shown)) == 1:
        return shown[0]
    if len(values) < FEWEST_SEEDS:
        return ", ".join(shown)
    if longer := sum(map(math.isinf, values)):
        median = _number(statistics.median(values), column)
        return f"median {median} ({len(values) - longer} of {len(values)})"
    found = t_interval(values)
    return f"{_number(found.mean, column)} ± {_number(found.half, {**column, 'less': None})}"


def _number(value: float, column: Mapping[str, Any]) -> str:
    if math.isinf(value):
        return str(column["missing"])
    signed = "+" if column.get("less") else ""
    if "significant" in column:
        return _significant(value, int(column["significant"]))
    return f"{value:{signed},.{int(column['digits'])}f}".replace("-", "−")


def _significant(value: float, digits: int) -> str:
    """Return a value with so many digits, without an exponent."""
    power = math.floor(math.log10(abs(value))) if value else 0
    return f"{value:,.{max(digits - 1 - power, 0)}f}".replace("-", "−")


def _refuse_unknown(found: Mapping[str, Any], known: set[str]) -> None:
    if unknown := sorted(set(found) - known):
        raise ValueError(
            f"asked.json: unknown {', '.join(unknown)} (known: {', '.join(sorted(known))})"
        )
