"""What attackers train on instead of their own rows, round by round."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class PlantedRows:
    """The rows that attacks on data gave their attackers, and from which rounds on.

    Attributes:
        first: training rows from this number on were made by attacks; those below are the task's.
        phases: ascending, the round from which attackers hold what is said, by client, until the
            next one; who is not in it holds its own rows.
    """

    first: int
    phases: tuple[tuple[int, Mapping[int, np.ndarray]], ...] = ()

    def held(self, client: int, round_: int, own: np.ndarray) -> np.ndarray:
        """Return the rows that a client trains on in a round, int64; `own` without an attack."""
        now: Mapping[int, np.ndarray] = {}
        for begin, rows in self.phases:
            now = rows if begin <= round_ else now
        return now.get(client, own)

    def ever_held(self, parts: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return all rows that each client trains on in some round, sorted, given its own."""
        phases = [rows for _, rows in self.phases] or [{}]
        return [
            np.unique(np.concatenate([own, *(rows.get(client, own) for rows in phases)]))
            for client, own in enumerate(parts)
        ]

    def among(self, rows: np.ndarray) -> np.ndarray:
        """Return those of the rows that an attack planted."""
        return rows[rows >= self.first]

    @property
    def counts(self) -> list[dict[str, object]]:
        """Each phase: `from_round`, and how many rows an attacker `holds`, how many `planted`."""
        return [
            {
                "from_round": begin,
                "holds": {str(client): len(held) for client, held in rows.items()},
                "planted": {str(client): len(self.among(held)) for client, held in rows.items()},
            }
            for begin, rows in self.phases
        ]
