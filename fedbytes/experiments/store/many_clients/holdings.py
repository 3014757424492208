"""Who holds what, as a run stores it: JSON for few clients, compressed counts for many."""

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fedbytes.arrays import Int64s
from fedbytes.experiments.store.sealed_json import ROOM, DamageError, read_sealed, write_sealed
from fedbytes.noniid import Contingency
from fedbytes.process.disk_errors import replaced_file
from fedbytes.process.file_digests import sha256_of

HOLDINGS, COUNTS = "holdings.json", "holdings.npz"
MANY = 1000
"""Clients above which counts, categories and names are in a file of their own."""


@dataclass(frozen=True)
class Holdings:
    """How many examples of each category each client holds.

    Attributes:
        categories: their names.
        table: the counts.
        names: of the clients, where they have some.
    """

    categories: list[str]
    table: Contingency
    names: list[str]


def write_holdings(folder: Path, held: Holdings, beside: dict[str, Any]) -> None:
    """Write who holds what into a run's folder.

    Args:
        folder: of the run.
        held: the counts.
        beside: what else is known of clients, such as who attacks.
    """
    clients = held.table.num_clients
    if clients <= MANY:
        counts = {"categories": held.categories, "counts": held.table.dense().tolist()}
        names = {"names": held.names} if held.names else {}
        write_sealed(folder / HOLDINGS, counts | names | beside)
        return
    with replaced_file(folder / COUNTS, ROOM) as part, part.open("wb") as file:
        np.savez_compressed(file, **_arrays(held))
    told = {"clients": clients, "counts_in": COUNTS, "counts_sha256": sha256_of(folder / COUNTS)}
    write_sealed(folder / HOLDINGS, told | beside)


def read_holdings(folder: Path) -> Holdings:
    """Return who holds what in a run.

    Raises:
        DamageError: if a file of it is missing, cut or altered.
    """
    told = read_sealed(folder / HOLDINGS)
    if "counts_in" not in told:
        return _of_json(told)
    path = folder / COUNTS
    try:
        data = path.read_bytes()
        if sha256_of(path) != told["counts_sha256"]:
            raise DamageError(f"{COUNTS} is altered (its digest is another)")
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            return _of_arrays(dict(file))
    except FileNotFoundError:
        raise DamageError(f"{COUNTS} is missing") from None
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        if isinstance(error, DamageError):
            raise
        raise DamageError(f"{COUNTS} is cut or altered ({error})") from None


def _of_json(told: dict[str, Any]) -> Holdings:
    counts, categories = told.get("counts"), told.get("categories")
    if not isinstance(counts, list) or not isinstance(categories, list):
        raise DamageError(f"{HOLDINGS} is altered (it has no counts)")
    if not all(isinstance(row, list) and len(row) == len(categories) for row in counts):
        raise DamageError(f"{HOLDINGS} is altered (its rows differ in length)")
    dense = np.array(counts, dtype=np.int64).reshape(len(counts), len(categories))
    return Holdings(categories, _table_of(dense), list(told.get("names", [])))


def _table_of(dense: Int64s) -> Contingency:
    clients, categories = np.nonzero(dense)
    return Contingency(clients, categories, dense[clients, categories], *dense.shape)


def _arrays(held: Holdings) -> dict[str, Any]:
    """Return the counts as the smaller of a whole table and of its entries above 0.

    The partitioner `transfer` reads both.
    """
    table = held.table
    names = {"names": np.array(held.names, dtype=str)} if held.names else {}
    words = {"categories": np.array(held.categories, dtype=str), **names}
    if table.num_clients * table.num_categories <= 3 * len(table.counts):
        return {"counts": _narrow(table.dense()), **words}
    steps = np.diff(table.clients, prepend=0)
    entries = {"steps": steps, "columns": table.categories, "entries": table.counts}
    shape = np.array([table.num_clients, table.num_categories])
    return {key: _narrow(value) for key, value in entries.items()} | {"shape": shape, **words}


def _of_arrays(found: dict[str, Any]) -> Holdings:
    categories = found["categories"].tolist()
    names = found["names"].tolist() if "names" in found else []
    if "counts" in found:
        return Holdings(categories, _table_of(found["counts"].astype(np.int64)), names)
    wide = [found[key].astype(np.int64) for key in ("steps", "columns", "entries")]
    table = Contingency(np.cumsum(wide[0]), *wide[1:], *map(int, found["shape"]))
    return Holdings(categories, table, names)


def _narrow(counts: Int64s) -> Any:
    return counts.astype(np.min_scalar_type(int(counts.max(initial=0))))
