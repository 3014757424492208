"""Another federation's table of clients and categories, from a file."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fedbytes.arrays import Doubles
from fedbytes.noniid.factor import Factor


@dataclass(frozen=True, eq=False)
class Matrix:
    """Weights of clients and categories, and the categories' names where they are known.

    Attributes:
        weights: float64 [clients, categories], finite, at least 0; no category is 0 everywhere.
        categories: one name per column, or None.
    """

    weights: Doubles
    categories: tuple[str, ...] | None

    def columns_for(self, factor: Factor) -> Doubles:
        """Return the weights with a column for each category of `factor`, [clients, categories]."""
        names = [str(value) for value in factor.categories.tolist()]
        if self.categories is None or set(names) != set(self.categories):
            return self.weights
        return self.weights[:, [self.categories.index(name) for name in names]]


def make_matrix(rows: Any, categories: Any, where: str) -> Matrix:
    """Check a table.

    Raises:
        ValueError: if it is no table of finite numbers of at least 0, one of its categories is
            held by nobody, or the names are not as many as the columns, or not distinct.
    """
    try:
        weights = np.array(rows, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{where}: rows must be equally long lists of numbers") from None
    if weights.ndim != 2 or 0 in weights.shape:
        raise ValueError(f"{where}: expected clients × categories, got shape {weights.shape}")
    bad = np.argwhere(~(np.isfinite(weights) & (weights >= 0)))
    if bad.size:
        client, category = bad[0]
        raise ValueError(
            f"{where}: weights are finite and at least 0, got {weights[client, category]} "
            f"for client {client}, category {category}"
        )
    empty = np.flatnonzero(weights.sum(axis=0) == 0)
    if empty.size:
        raise ValueError(f"{where}: no client holds anything of category {empty[0]}")
    names = None if categories is None else tuple(map(str, categories))
    if names is not None and (len(names) != weights.shape[1] or len(set(names)) != len(names)):
        raise ValueError(
            f"{where}: {len(names)} names, {len(set(names))} of them distinct, for "
            f"{weights.shape[1]} categories"
        )
    return Matrix(weights, names)


def read_matrix(path: str) -> Matrix:
    """Read a table with one row per client and one column per category.

    - .npz: the array `counts`, and names in `categories` if there are any;
    - .json: `{"counts": [[…], …], "categories": […]}`, or the rows alone;
    - .csv: a header of the categories' names, then the rows. A first column headed `client` is
      left out.

    Raises:
        ValueError: if there is no such file, or it is none of these.
    """
    readers = {".npz": _npz, ".json": _json, ".csv": _csv}
    kind = Path(path).suffix.lower()
    if kind not in readers:
        raise ValueError(f"matrix: {path} must be .npz, .json or .csv")
    try:
        rows, categories = readers[kind](path)
    except (OSError, KeyError, TypeError, ValueError, IndexError) as error:
        raise ValueError(f"matrix: {path} cannot be read: {error}") from None
    return make_matrix(rows, categories, f"matrix: {path}")


def _npz(path: str) -> tuple[Any, Any]:
    with np.load(path, allow_pickle=False) as file:
        categories = file["categories"].tolist() if "categories" in file else None
        return file["counts"] if "counts" in file else _from_entries(file), categories


def _from_entries(file: Any) -> Any:
    """Return the table of which a file has the entries above 0, as a run of many clients stores."""
    table = np.zeros(tuple(file["shape"].tolist()))
    table[np.cumsum(file["steps"].astype(np.int64)), file["columns"]] = file["entries"]
    return table


def _json(path: str) -> tuple[Any, Any]:
    content = json.loads(Path(path).read_text(encoding="utf-8"))
    if isinstance(content, list):
        return content, None
    if "counts_in" in content:
        return _npz(str(Path(path).parent / content["counts_in"]))
    return content["counts"], content.get("categories")


def _csv(path: str) -> tuple[Any, Any]:
    with Path(path).open(encoding="utf-8", newline="") as file:
        header, *rows = [row for row in csv.reader(file) if row]
    skip = 1 if header[0].strip().lower() == "client" else 0
    return [[float(cell) for cell in row[skip:]] for row in rows], header[skip:]
