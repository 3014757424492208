"""The ledger's files: parts while a run is in progress, one table at its end."""

import hashlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fedbytes.experiments.store.sealed_json import ROOM, DamageError
from fedbytes.process.disk_errors import replaced_file

_COLUMNS = {"round", "client", "direction", "kind", "payload_bytes", "message_bytes"}
_SCHEMA = pa.schema(
    [
        *((name, pa.int64()) for name in ("round", "client")),
        *((name, pa.string()) for name in ("direction", "kind")),
        *((name, pa.int64()) for name in ("payload_bytes", "message_bytes")),
        *((name, pa.float64()) for name in ("encode_seconds", "decode_seconds")),
    ]
)


def ledger_parts(folder: Path) -> list[Path]:
    """Return the ledger's parts in the order of their rounds."""
    return sorted(folder.glob("ledger-*.parquet"))


def round_of(part: Path) -> int:
    """Return the last round of a part, -1 for a file that is none."""
    number = part.stem.removeprefix("ledger-")
    return int(number) if number.isdecimal() else -1


def ledger_table(rows: dict[str, list[Any]]) -> pa.Table:
    """Return the ledger's rows as a table, whose columns have types without a row as well."""
    return pa.table(rows, schema=pa.schema([field for field in _SCHEMA if field.name in rows]))


def write_ledger(path: Path, table: pa.Table) -> None:
    """Write a table whole or not at all."""
    with replaced_file(path, ROOM) as part:
        pq.write_table(table, part)


def read_ledger(paths: list[Path]) -> pa.Table:
    """Return the rows of one or several files.

    Raises:
        DamageError: if one is missing, cut or altered.
    """
    return pa.concat_tables([_read(path) for path in paths])


def _read(path: Path) -> pa.Table:
    try:
        table = pq.read_table(path)
        table.validate(full=True)
    except FileNotFoundError:
        raise DamageError(f"{path.name} is missing") from None
    except (OSError, ValueError, pa.ArrowException) as error:
        reason = (str(error).splitlines() or ["unreadable"])[0]
        raise DamageError(f"{path.name} is cut or altered ({reason})") from None
    if not set(table.column_names) >= _COLUMNS:
        raise DamageError(f"{path.name} is altered (columns are missing)")
    return table


def message_bytes(table: pa.Table) -> dict[str, int]:
    """Return the message bytes of a ledger in each direction."""
    counts, ways = table["message_bytes"], table["direction"]
    return {
        f"{way}_bytes": int(pc.sum(counts.filter(pc.equal(ways, way))).as_py() or 0)
        for way in ("up", "down")
    }


def check_ledger(path: Path, table: pa.Table, totals: dict[str, Any], rounds: int) -> None:
    """Check a ledger against the bytes and rounds that a run has counted.

    Rounds in which nothing crossed have no rows; where the bytes are known, they tell.

    Raises:
        DamageError: if rows are missing or altered.
    """
    found = message_bytes(table)
    for way in ("up_bytes", "down_bytes"):
        if way in totals and found[way] != totals[way]:
            raise DamageError(
                f"{path.name} is cut or altered ({found[way]} {way.replace('_', ' ')}, "
                f"the run counted {totals[way]})"
            )
    if {"up_bytes", "down_bytes"} <= totals.keys():
        return
    seen = set(pc.unique(table["round"]).to_pylist())
    if missing := sorted(set(range(1, rounds + 1)) - seen):
        raise DamageError(f"{path.name} is cut (no rows of round {missing[0]})")


def parts_digest(parts: list[Path], before: str = "") -> str:
    """Return a digest over parts in their order, continued from that of the parts before them."""
    for path in parts:
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise DamageError(f"{path.name} is missing") from None
        before = hashlib.sha256(before.encode() + hashlib.sha256(data).digest()).hexdigest()
    return before
