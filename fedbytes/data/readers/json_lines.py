"""JSON Lines: one object per line, with the types that JSON has."""

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

from fedbytes.data.readers.table import Table
from fedbytes.data.readers.text_files import UTF8, read_lines


def read_json_rows(path: Path, encoding: str = UTF8) -> Table:
    """Return a file with one JSON object per line; blank lines are no rows.

    Numbers keep their type: `0` is an int of any size, `0.0` a float. Keys that a row lacks, and
    null, are missing.

    Raises:
        ValueError: one line with file and line: for JSON that does not parse, a line that is no
            object, a key that stands twice, NaN and infinite numbers, halves of characters.
    """
    rows = []
    for number, line in enumerate(read_lines(path, encoding), 1):
        if line.strip(" \t\r\n"):
            rows.append(_row(f"{path}, line {number}", line))
    return table_of_rows(str(path), rows)


def read_json_array(path: Path, encoding: str = UTF8) -> Table | None:
    """Return a file that is one JSON array of objects, or None if it does not begin as one.

    Raises:
        ValueError: as `read_json_rows`.
    """
    text = "".join(read_lines(path, encoding))
    if not text.lstrip(" \t\r\n").startswith("["):
        return None
    rows = _parse(str(path), text)
    wrong = next((row for row in rows if not isinstance(row, dict)), None)
    if wrong is not None:
        raise ValueError(f"{path}: its array holds {_called(wrong)}, where a row is an object")
    return table_of_rows(str(path), rows)


def table_of_rows(where: str, rows: list[dict[str, Any]]) -> Table:
    """Return rows as a table; its columns are all keys, in the order of their first rows.

    Raises:
        ValueError: if there are no rows, or no keys.
    """
    names = dict.fromkeys(name for row in rows for name in row)
    if not names:
        raise ValueError(f"{where} has no rows")
    return Table(where, {name: [row.get(name) for row in rows] for name in names}, len(rows))


def _row(where: str, line: str) -> dict[str, Any]:
    row = _parse(where, line)
    if not isinstance(row, dict):
        raise ValueError(f"{where}: it is {_called(row)}, where each line is an object {{…}}")
    return row


def _parse(where: str, text: str) -> Any:
    try:
        value = _DECODER.decode(text)
        if "\\ud" in text or "\\uD" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{where}: it holds half of a pair of surrogates, which is no character: write the "
            "character itself, or both halves"
        ) from error
    except RecursionError as error:
        raise ValueError(f"{where}: it is nested too deeply") from error
    except ValueError as error:
        reason = (str(error).splitlines() or ["unreadable"])[0]
        raise ValueError(f"{where} does not parse as JSON: {reason}") from error
    return value


def _object(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r} stands twice: remove or rename one")
        found[key] = value
    return found


def _float(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise ValueError(f"the number {digits[:40]} is too large: write it as a string")
    return value


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON: write null for what is missing")


def _called(value: Any) -> str:
    kinds = {list: "an array", str: "a string", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number" if not isinstance(value, dict) else "an object")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=_float, parse_constant=_refuse)
