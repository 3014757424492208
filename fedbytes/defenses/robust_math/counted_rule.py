"""The base class of rules that are made for a number of attackers, and of equal votes."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from torch import Tensor

from fedbytes.federated import Defense, Upload
from fedbytes.registry import bounded


@dataclass(frozen=True)
class CountedRule(Defense):
    """A rule for up to `f` attackers in a round, who may send anything.

    Clients count once each, whatever number of examples they say that they have.

    Attributes:
        f: how many of a round's clients may be hostile. In a round whose server dropped some for
            messages that it could not open, it is as many of the rest as the rule can be for.
    """

    clients_per_attacker: ClassVar[int] = 2
    """With `least_beside`: n clients are enough for f attackers if n >= this f + `least_beside`."""
    least_beside: ClassVar[int] = 1

    f: int = bounded(1, least=0)

    def refuses(self, clients: int) -> str | None:
        """Return why so few clients are not enough for `f` attackers, or None."""
        needed = self.clients_per_attacker * self.f + self.least_beside
        if clients >= needed:
            return super().refuses(clients)
        most = (clients - self.least_beside) // self.clients_per_attacker
        less = f" or set f to at most {most}" if most >= 0 else ""
        return (
            f"with f={self.f} needs at least {needed} clients "
            f"({self.clients_per_attacker} f + {self.least_beside}), got {clients}: "
            f"raise clients_per_round{less}"
        )

    def tolerates(self, clients: int) -> int:
        """Return `f`, or how many attackers so few clients are enough for."""
        return max(0, min(self.f, (clients - self.least_beside) // self.clients_per_attacker))


def vote_once(uploads: Sequence[Upload]) -> list[Upload]:
    """Return the uploads with one weight for all: the median of what clients say they have."""
    examples = max(1, statistics.median_low(upload.examples for upload in uploads))
    return [replace(upload, examples=examples) for upload in uploads]


def all_send(uploads: Sequence[Upload], delta: Tensor) -> list[Upload]:
    """Return the uploads as if every client had sent the same delta [numel]."""
    return [upload.with_delta(delta) for upload in vote_once(uploads)]


def deltas_of(uploads: Sequence[Upload]) -> list[Tensor]:
    """Return the delta of each upload."""
    return [upload.delta for upload in uploads]
