"""The fields of secure aggregation, and the numbers that follow from them."""

import math
from dataclasses import dataclass
from typing import Literal

from fedbytes.plugin_fields import bounded

SMALLEST_ROUND = 3
"""Of two clients each subtracts its own from the sum, and has the other's."""


@dataclass(frozen=True)
class SecureSumFields:
    """Fields of secure aggregation.

    Attributes:
        neighbours: with how many others a client masks, an even number from 4; `all` for everyone
            of the round. Bytes and time of a client grow with it, not with the clients.
        threshold: share of a client and its neighbours that must answer to the end, above 1/2 up
            to 1, and three at least. Below it the round is aborted, since what was masked cannot
            be opened.
        weights: of clients in the mean, `examples` or `uniform`; `fit` is `uniform` where noise
            is added, which weights would void, and else `examples`.
        span: of the integers' grid: `known` in advance, as the uplink's codec says, or `agreed` in
            each round: the largest power of two above any client's numbers.
        dropout: share of the clients, drawn in each round, that vanish.
        vanish: when they do: before their keys, after their shares, or after the masked vector.
    """

    neighbours: int | Literal["all"] = "all"
    threshold: float = bounded(2 / 3, above=0.5, most=1)
    weights: Literal["fit", "examples", "uniform"] = "fit"
    span: Literal["known", "agreed"] = "known"
    dropout: float = bounded(0.0, least=0, below=1)
    vanish: Literal["before-keys", "after-shares", "after-masked"] = "after-shares"

    def check_neighbours(self, name: str) -> None:
        """Refuse a number of neighbours that no graph has, or whose graph falls apart.

        With two each, any two clients that vanish cut the circle.

        Raises:
            ValueError: in one line.
        """
        if self.neighbours != "all" and (self.neighbours < 4 or self.neighbours % 2):
            raise ValueError(
                f"{name}: neighbours must be all, or an even number from 4, got {self.neighbours}"
            )

    def degree(self, clients: int) -> int:
        """Return how many neighbours each of the round's clients has."""
        return clients - 1 if self.neighbours == "all" else min(self.neighbours, clients - 1)

    def needed(self, clients: int) -> int:
        """Return how many of a client and its neighbours must answer: three at least."""
        share = math.ceil(round(self.threshold * (self.degree(clients) + 1), 9))
        return max(SMALLEST_ROUND, share)
