"""Files of clients' records: each checkpoint writes one, with what has changed since the last."""

import json
import os
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from fedbytes.process.disk_errors import replaced_file

_MAGIC = b"fedbytes clients 1\n"
_TAIL = struct.Struct("<Q")
_REMEDY = "free some space, then run the same again"


class Place(NamedTuple):
    """Where a record lies."""

    path: Path
    offset: int
    length: int

    def read(self) -> bytes:
        """Return the record's bytes.

        Raises:
            ValueError: if the file is cut.
        """
        with self.path.open("rb") as file:
            file.seek(self.offset)
            data = file.read(self.length)
        if len(data) != self.length:
            raise ValueError(f"{self.path.name} is cut")
        return data


@dataclass(frozen=True)
class Segment:
    """What a file of records holds: where each record is, and plain values beside them.

    Attributes:
        places: by kind of record and client.
        beside: what else was written into it.
    """

    places: dict[str, dict[int, Place]]
    beside: dict[str, Any] = field(default_factory=dict)


def write_segment(
    path: Path, records: Iterable[tuple[str, int, bytes]], beside: dict[str, Any]
) -> Segment:
    """Write records one after another and an index behind them, whole or not at all.

    Args:
        path: the file.
        records: the kind, the client and the bytes of each.
        beside: other values, as JSON has them.

    Raises:
        DiskError: if the disk is full or may not be written.
    """
    index: dict[str, list[list[int]]] = {}
    with replaced_file(path, _REMEDY) as part, part.open("wb") as file:
        file.write(_MAGIC)
        for kind, client, data in records:
            index.setdefault(kind, []).append([client, file.tell(), len(data)])
            file.write(data)
        tail = json.dumps({"index": index, "beside": beside}, separators=(",", ":")).encode()
        file.write(tail + _TAIL.pack(len(tail)))
        file.flush()
        os.fsync(file.fileno())
    return _segment(path, index, beside)


def read_segment(path: Path) -> Segment:
    """Return what a file of records holds; the records themselves are read when they are needed.

    Raises:
        ValueError: if it is missing, cut or altered.
    """
    try:
        with path.open("rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                raise ValueError("another format")
            end = file.seek(-_TAIL.size, os.SEEK_END)
            (length,) = _TAIL.unpack(file.read())
            file.seek(end - length)
            tail = json.loads(file.read(length))
        return _segment(path, tail["index"], tail["beside"])
    except (OSError, ValueError, KeyError, TypeError, struct.error) as error:
        raise ValueError(f"{path.name} is missing, cut or altered ({error})") from error


def _segment(path: Path, index: dict[str, list[list[int]]], beside: dict[str, Any]) -> Segment:
    places = {
        kind: {client: Place(path, offset, length) for client, offset, length in found}
        for kind, found in index.items()
    }
    return Segment(places, beside)
