"""Files of JSON lines: rows that are appended round by round, and what says that none is lost."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fedbytes.experiments.store.sealed_json import ROOM, DamageError, write_atomically
from fedbytes.process.disk_errors import explained_disk_errors

JsonRow = dict[str, Any]
Sum = dict[str, Any]
"""`rows`, `bytes` and `sha256` of a file, or of its beginning."""
ROW_FILES = (
    "rounds.jsonl", "deltas.jsonl", "cleaned.jsonl", "audits.jsonl", "clients.jsonl",
    "reports.jsonl", "predictions.jsonl",
)  # fmt: skip
"""Files of rows, each of which says of which round it is."""


def append_row(path: Path, row: JsonRow) -> None:
    """Append a row to a file of JSON lines.

    Raises:
        DiskError: if the disk is full or may not be written.
    """
    with explained_disk_errors(path, ROOM), path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def read_json_lines(path: Path, whole: bool = False) -> list[JsonRow]:
    """Return the rows of a file of JSON lines, none if there is no file.

    Args:
        path: the file.
        whole: whether the last line must end; otherwise one that a kill has cut is left out.

    Raises:
        DamageError: for a line that is no row.
    """
    try:
        return _rows(path.name, path.read_bytes(), whole)
    except FileNotFoundError:
        return []


def _rows(name: str, data: bytes, whole: bool) -> list[JsonRow]:
    *lines, rest = data.split(b"\n")
    if whole and rest:
        raise DamageError(f"{name} is cut (its last line does not end)")
    rows: list[JsonRow] = []
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line.decode("utf-8"))
        except ValueError:
            raise DamageError(f"{name} is altered (line {number} is no JSON)") from None
        if not isinstance(row, dict) or not isinstance(row.get("round"), int):
            raise DamageError(f"{name} is altered (line {number} has no round)")
        rows.append(row)
    return rows


def keep_rows(path: Path, keep: Callable[[JsonRow], bool]) -> None:
    """Write a file of JSON lines anew with those of its rows that are to be kept."""
    if path.exists():
        kept = [row for row in read_json_lines(path) if keep(row)]
        write_atomically(path, "".join(json.dumps(row) + "\n" for row in kept))


class RunningSum:
    """Rows, bytes and digest of a file that grows; what was read before is not read again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._hash = hashlib.sha256()
        self._rows = self._bytes = 0

    def now(self) -> Sum:
        """Return them of the file as it is now."""
        with self._path.open("rb") as file:
            file.seek(self._bytes)
            data = file.read()
        self._hash.update(data)
        self._rows += data.count(b"\n")
        self._bytes += len(data)
        return {"rows": self._rows, "bytes": self._bytes, "sha256": self._hash.hexdigest()}


def check_sum(path: Path, known: Sum, whole: bool) -> None:
    """Check a file against what was put down of it.

    Args:
        path: the file.
        known: of the file, as `RunningSum.now` returned it.
        whole: whether nothing may follow.

    Raises:
        DamageError: if the file is missing, cut or altered.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise DamageError(f"{path.name} is missing") from None
    if len(data) < known["bytes"]:
        rows = data.count(b"\n")
        found = f"{rows} of {known['rows']} rows"
        raise DamageError(f"{path.name} is cut ({found}, {len(data)} of {known['bytes']} bytes)")
    if whole and len(data) > known["bytes"]:
        raise DamageError(f"{path.name} is altered ({len(data)} bytes, not {known['bytes']})")
    if hashlib.sha256(data[: known["bytes"]]).hexdigest() != known["sha256"]:
        raise DamageError(f"{path.name} is altered (its digest is another)")
