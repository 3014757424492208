"""The byte ledger: one row for every message that crossed between the server and a client."""

from dataclasses import dataclass, field, fields
from typing import Any, Literal

Direction = Literal["up", "down"]

EVERYONE = -1
"""The client of a multicast message: one transmission that all who listen receive."""


@dataclass
class Entry:
    """One message. `message_bytes` is payload plus framing: the length of what was handed over.

    `kind` is `delta`, `metrics`, `announcement` (a number that a layout follows from), `evaluation`
    (metrics on a client's own tests) and `texts` (its examples, where all go to one place) upwards,
    or `malformed`; downwards `update` (the newest global update), `catch-up` (what a client
    missed), `state` (a whole state) and `seed` (an initial state that the receiver draws itself);
    both ways `exchange` (what an aggregation sends beside these). A masked sum has upwards
    `public-key`, `shares`, `masked` (the vector) and `unmask`, downwards `keys`, `shares` and
    `survivors`; an encrypted one upwards `ciphertext` and `plain-part`, downwards `key` and
    `ciphertext-sum`.
    Bytes too short for a header have no payload.
    """

    round: int
    client: int
    direction: Direction
    kind: str
    payload_bytes: int
    message_bytes: int
    encode_seconds: float
    decode_seconds: float = 0.0


@dataclass
class Ledger:
    """The rows since the last checkpoint, and running totals over the whole run."""

    entries: list[Entry] = field(default_factory=list)
    up_bytes: int = 0
    down_bytes: int = 0

    def add(self, entry: Entry) -> Entry:
        """Append a row and return it, so that the receiver can add its decoding time."""
        self.entries.append(entry)
        if entry.direction == "up":
            self.up_bytes += entry.message_bytes
        else:
            self.down_bytes += entry.message_bytes
        return entry

    @property
    def totals(self) -> dict[str, int]:
        """The running totals, to begin another ledger with."""
        return {"up_bytes": self.up_bytes, "down_bytes": self.down_bytes}

    @property
    def total(self) -> int:
        """Message bytes of the whole run so far, both directions."""
        return self.up_bytes + self.down_bytes

    def take(self) -> dict[str, list[Any]]:
        """Return the rows as columns and forget them; the totals stay."""
        columns = {f.name: [getattr(e, f.name) for e in self.entries] for f in fields(Entry)}
        self.entries = []
        return columns
